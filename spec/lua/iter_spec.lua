-- What a map may read from: dictionaries are refused, iterators with a state are given by
-- tidepool.iter. The same for wait, as_completed, array and initargs.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function id(...) return ... end
local function second(_, v) return v end

-- Asserts that fn raises a string at a line of this file, with those parts in it.
local function refused(fn, ...)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.matches("^[^:\n]*iter_spec%.lua:%d+: ", err)
  for _, part in ipairs { ... } do h.contains(part, err) end
  assert.is_nil(err:find("/tidepool/", 1, true), err)
  return err
end

-- An iterator over 1 … n as a generic for takes it; `log` gets what happens to its closing value.
local function closable(n, log)
  log.closed, log.read = 0, 0
  local closing = setmetatable({}, { __close = function(_, err)
    log.closed, log.err = log.closed + 1, err
  end })
  return function(state, i)
    assert.equal(log, state)
    if i < n then
      log.read = i + 1
      return i + 1
    end
  end, log, 0, closing
end

describe("A map over what is no sequence", function()
  after_each(h.finish)

  it("raises for a dictionary, and shows how to map over pairs", function()
    local ex = h.pool(1)
    local proxy = setmetatable({}, { __index = { "x", "y" } })
    local listed = setmetatable({}, { __pairs = function() return next, { a = 1 } end })
    for _, t in ipairs {
      { a = 1 }, { a = 1, b = 2 }, { [0] = "x" }, { [2] = "x" }, { [2.5] = 1 }, { [{}] = 1 },
      { [true] = 1 }, { n = 2 }, { n = "0" }, setmetatable({ items = {} }, {}), proxy, listed,
    } do
      refused(function() ex:map(id, t) end, "bad argument #2 to 'map'", "tidepool.iter(pairs(t))")
      refused(function() ex:with {}:map(id, { 1 }, t) end, "bad argument #3 to 'map'")
    end
    assert.equal(0, ex:stats().submitted)
  end)

  it("names a key", function()
    local ex = h.pool(1)
    refused(function() ex:map(id, { color = 1 }) end, "key 'color'")
    refused(function() ex:map(id, { [7] = 1 }) end, "key [7]")
    refused(function() ex:map(id, { [print] = 1 }) end, "a function as key")
  end)

  it("gives nothing for what is empty and says so", function()
    local ex = h.pool(1)
    local empty = setmetatable({ name = "x" }, { __len = function() return 0 end })
    local strict = setmetatable({}, { __index = function(_, k) error("no field " .. k) end })
    local default = setmetatable({}, { __index = function() end, __pairs = function(t)
      return next, t
    end })
    for _, t in ipairs { {}, { n = 0 }, { n = 0, name = "x" }, empty, strict, default } do
      assert.same({ n = 0 }, ex:map(id, t):collect())
    end
  end)

  it("takes the command line as it is", function()
    local out = h.runs [[
      local tidepool = require "tidepool"
      local ex <close> = tidepool.executor(1)
      print(#arg, ex:map(string.upper, arg):collect().n)
      print(pcall(ex.map, ex, print, { [0] = "x" }))
    ]]
    assert.matches("^0\t0\nfalse\t.*dictionary", out)
  end)

  it("takes sequences with other fields, and with holes as far as their length", function()
    local ex = h.pool(1)
    assert.same({ 1, 2, n = 2 }, ex:map(id, { 1, 2, name = "x", n = 2 }):collect())
    assert.same({ "y", n = 1 }, ex:map(id, { [0] = "x", "y" }):collect())
    local hole = table.pack(nil, nil, 3)
    assert.equal(#hole, ex:map(id, hole):collect().n)
    local proxy = setmetatable({}, { __index = { "x", "y" }, __len = function() return 2 end })
    assert.same({ "x", "y", n = 2 }, ex:map(id, proxy):collect())
  end)

  it("holds for wait, as_completed, array and initargs too", function()
    local f = tidepool.future()
    f:set_result(1)
    refused(function() tidepool.wait { a = f } end, "bad argument #1 to 'wait'", "key 'a'",
      "tidepool.iter(pairs(t))")
    refused(function() tidepool.as_completed { a = f } end, "bad argument #1 to 'as_completed'")
    refused(function() tidepool.array("u8", { a = 1 }) end, "bad argument #2 to 'array'", "key 'a'")
    refused(function() tidepool.executor { initargs = { a = 1 } } end, "option 'initargs'")
    refused(function() tidepool.executor { initargs = { n = "x" } } end, "option 'initargs'")
    refused(function() tidepool.executor { initargs = { n = 1 << 40 } } end, "option 'initargs'")
    assert.equal(0, #tidepool.array("u8", {}))
  end)
end)

describe("An iterator that comes with a state", function()
  after_each(h.finish)

  it("raises at the call's line, with the way out", function()
    local ex = h.pool(1)
    local d, s = { a = 1 }, { 5, 6 }
    local function needs(state, i) return state[i] end
    for _, call in ipairs {
      function() ex:map(id, pairs(d)) end,
      function() ex:map(id, pairs(s)) end,
      function() ex:map(id, ipairs(s)) end,
      function() ex:map(id, next, d) end,
      function() ex:map(id, next, s) end,
      function() ex:map(id, (pairs(d))) end,
      function() ex:map(id, (ipairs(s))) end,
      function() ex:map(id, io.lines "README.md") end,
      function() ex:map(id, utf8.codes "x") end,
      function() ex:map(id, (utf8.codes "x")) end,
      function() ex:map(id, pairs(tidepool.array("u8", 2))) end,
      function() ex:map(id, needs) end,
      function() ex:map(id, needs, { 1 }) end,
      function() ex:map(id, { 1 }, needs) end,
      function() ex:map(id, ex:map(id, {})) end,
    } do
      refused(call, "bad argument #", "to 'map'", "tidepool.iter")
    end
  end)

  it("is one value by tidepool.iter", function()
    local ex = h.pool(2)
    local t = {}
    for i = 1, 300 do t["k" .. i] = i end
    local sum = 0
    for _, k, v in ex:map(id, tidepool.iter(pairs(t))) do
      assert.equal(t[k], v)
      sum = sum + v
    end
    assert.equal(300 * 301 // 2, sum)
    assert.same({ 4, 5, 6, n = 3 }, ex:map(second, tidepool.iter(ipairs { 4, 5, 6 })):collect())
    assert.same({ "a", "b", n = 2 }, ex:map(id, tidepool.iter(("a b"):gmatch "%a")):collect())
    assert.same({ n = 0 }, ex:map(id, tidepool.iter(pairs {})):collect())
    local a = tidepool.array("u8", { 7, 8 })
    assert.same({ 7, 8, n = 2 }, ex:map(second, tidepool.iter(pairs(a))):collect())
    local inner = ex:map(id, { 7, 8 })
    assert.same({ 7, 8, n = 2 }, ex:map(second, tidepool.iter(inner)):collect())
  end)

  it("is zipped with others", function()
    local ex = h.pool(1)
    local out = {}
    for _, i, v, x in ex:map(id, tidepool.iter(ipairs { "a", "b", "c" }), { 10, 20 }) do
      out[#out + 1] = { i, v, x }
    end
    assert.same({ { 1, "a", 10 }, { 2, "b", 20 } }, out)
  end)

  it("is for wait and as_completed too", function()
    local f, g = tidepool.future(), tidepool.future()
    f:set_result(1)
    g:set_result(2)
    assert.equal(2, #(tidepool.wait(tidepool.iter(pairs { a = f, b = g }))))
    assert.equal(2, #(tidepool.wait(tidepool.iter(ipairs { f, g }))))
    local n = 0
    for _ in tidepool.as_completed(tidepool.iter(pairs { [f] = true, [g] = true })) do n = n + 1 end
    assert.equal(2, n)
  end)

  it("refuses what is no iterator", function()
    refused(function() tidepool.iter { a = 1 } end, "bad argument #1 to 'iter'", "iter(pairs(t))")
    refused(function() tidepool.iter() end, "bad argument #1 to 'iter'")
    refused(function() tidepool.iter(next, {}, nil, {}) end, "bad argument #4 to 'iter'")
  end)
end)

describe("What comes to be closed with an iterator", function()
  after_each(h.finish)

  it("is closed once at the end", function()
    local ex, log = h.pool(1), {}
    assert.equal(3, ex:map(id, tidepool.iter(closable(3, log))):collect().n)
    assert.equal(1, log.closed)
    assert.is_nil(log.err)
    local long = ex:map(id, tidepool.iter(closable(3, log)), { 1, 2, 3, 4 })
    assert.equal(3, long:collect().n)
    assert.equal(1, log.closed)
  end)

  it("is closed when another input ends before", function()
    local ex, log = h.pool(1), {}
    assert.equal(2, ex:map(id, { 1, 2 }, tidepool.iter(closable(100, log))):collect().n)
    assert.equal(1, log.closed)
  end)

  it("is closed when the map is left or closed", function()
    local ex, log = h.pool(1), {}
    local view = ex:with { buffersize = 2 }
    for i in view:map(id, tidepool.iter(closable(100, log))) do
      if i == 1 then break end
    end
    assert.equal(1, log.closed)
    assert.is_nil(log.err)
    local it_ = view:map(id, tidepool.iter(closable(100, log)))
    it_()
    assert.equal(0, log.closed)
    it_:close()
    it_:close()
    assert.equal(1, log.closed)
    assert.is_true(log.read < 100)
  end)

  it("is closed with the error that leaves the for", function()
    local ex, log = h.pool(1), {}
    local view = ex:with { buffersize = 2 }
    local err = h.fails("enough", function()
      for _ in view:map(id, tidepool.iter(closable(100, log))) do error "enough" end
    end)
    assert.equal(1, log.closed)
    assert.equal(err, log.err)
  end)

  it("is closed when the call is refused or reading fails", function()
    local ex, log = h.pool(1), {}
    pcall(ex.map, ex, id, tidepool.iter(closable(3, log)), 5)
    assert.equal(1, log.closed)
    h.contains("bad argument #3", log.err)
    pcall(ex.map, ex, nil, tidepool.iter(closable(3, log)))
    assert.equal(1, log.closed)
    h.fails("broken", ex.map, ex, id, function() error "broken" end,
      tidepool.iter(closable(3, log)))
    assert.equal(1, log.closed)
    h.contains("broken", log.err)
    h.raises("transfer", ex.map, ex, id, tidepool.iter(closable(3, log)),
      { coroutine.create(print) })
    assert.equal(1, log.closed)
  end)

  it("is closed when the time of the map passes", function()
    local ex, log, g = h.pool(1), {}, gate.new()
    local it_ = ex:with { timeout = 0.01, buffersize = 1 }:map(function() gate.wait(g) end,
      tidepool.iter(closable(100, log)))
    h.raises("timeout", it_)
    assert.equal(1, log.closed)
    assert.equal("timeout", tidepool.error_kind(log.err))
    gate.open(g)
  end)

  it("is closed by wait", function()
    local log = {}
    h.fails("future expected at index 1", tidepool.wait, tidepool.iter(closable(3, log)))
    assert.equal(1, log.closed)
    assert.is_string(log.err)
  end)

  it("raises what its closing raises", function()
    local ex = h.pool(1)
    local closing = setmetatable({}, { __close = function() error("not closed", 0) end })
    local n = 0
    local function step() n = n + 1 return n <= 100 and n or nil end
    local it_ = ex:with { buffersize = 1 }:map(id, tidepool.iter(step, nil, nil, closing))
    h.fails("not closed", it_.close, it_)
    assert.is_nil(it_())
    n = 99
    h.fails("not closed", ex.map, ex, id, tidepool.iter(step, nil, nil, closing))
  end)

  it("may yield", function()
    local ex, log = h.pool(1), {}
    local co = coroutine.wrap(function()
      local closing = setmetatable({}, { __close = function() coroutine.yield "closing" end })
      local function step(_, i)
        coroutine.yield "reading"
        if i < 2 then return i + 1 end
      end
      for _, v in ex:map(id, tidepool.iter(step, nil, 0, closing)) do log[#log + 1] = v end
      return "end"
    end)
    local seen = {}
    repeat
      local what = co()
      seen[what] = (seen[what] or 0) + 1
    until what == "end"
    assert.same({ reading = 3, closing = 1, ["end"] = 1 }, seen)
    assert.same({ 1, 2 }, log)
  end)
end)

describe("An iterator function's own error", function()
  after_each(h.finish)

  it("stays what it is", function()
    local ex = h.pool(1)
    local err = h.fails("iter_spec.lua", ex.map, ex, id, function() error "mine" end)
    assert.matches("^[^:]*iter_spec%.lua:%d+: mine$", err)
    local value = {}
    local ok, got = pcall(ex.map, ex, id, function() error(value) end)
    assert.is_false(ok)
    assert.equal(value, got)
    local n = 0
    local it_ = ex:with { buffersize = 1 }:map(id, function()
      n = n + 1
      if n == 2 then error("bad argument #1 to 'x'", 0) end
      return n
    end)
    assert.equal(1, it_())
    assert.same({ false, "bad argument #1 to 'x'" }, { pcall(it_) })
  end)

  it("has no line of the library's files", function()
    local ex = h.pool(1)
    refused(function() ex:map(id, coroutine.wrap(function() error("thrown", 0) end)) end, "thrown")
    refused(function() ex:map(id, function() error("higher", 2) end) end, "higher")
    refused(function()
      ex:with { buffersize = 1 }:map(id, coroutine.wrap(function()
        coroutine.yield(1)
        error("later", 0)
      end)):collect()
    end, "later")
  end)
end)
