-- What a message refers to stays alive until it is packed, whatever runs meanwhile: `__transfer`,
-- finalizers, a collector that clears weak tables. No value arrives as another one.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"

local unpack_one = "table.unpack" -- rebuilds an object as the first element of a list

local ROUNDS = h.collects and 2 or 40 -- the garbage of one has the addresses of the one before

local function echo(...) return ... end

local function collect()
  collectgarbage()
  collectgarbage()
end

-- Makes an object whose __transfer calls fn, and which arrives as `value`.
local function act(fn, value)
  return setmetatable({}, { __transfer = function(self)
    fn(self)
    return unpack_one, { value == nil and "acted" or value }
  end })
end

-- Makes objects until one has the address of a dead one, or for n times. The objects are kept in
-- a list.
local function many(n, make)
  local list = {}
  for i = 1, n do list[i] = make(i) end
  return list
end

-- t[1] is packed, then t[2] drops it, collects, and puts 100 new values into the rest of t.
local function replaced(round, make)
  local t = { make(round * 1000) }
  t[2] = act(function()
    t[1] = false
    collect()
    local fresh = many(100, function(i) return make(round * 1000 + i) end)
    for i = 1, 100 do t[2 + i] = fresh[i] end
  end)
  for i = 1, 100 do t[2 + i] = true end
  return t
end

local kinds = {
  ["short strings"] = { function(n) return ("%030d"):format(n) end, function(v) return v end },
  ["long strings"] = { function(n) return ("x"):rep(200) .. n end, function(v) return v end },
  ["strings that are borrowed"] = {
    function(n) return ("x"):rep(99999) .. n end, function(v) return v end, rounds = 2,
  },
  tables = { function(n) return { n } end, function(v) return v[1] end },
  functions = { function(n) return function() return n end end, function(v) return v() end },
}

describe("While a message is packed", function()
  after_each(h.finish)

  for name, kind in pairs(kinds) do
    it("a __transfer may replace " .. name, function()
      local ex, make, inspect = h.pool(1), kind[1], kind[2]
      for round = 1, kind.rounds or ROUNDS do
        local t = replaced(round, make)
        local r = ex:submit(echo, t):result()
        assert.equal(inspect(make(round * 1000)), inspect(r[1]))
        assert.equal("acted", r[2])
        for i = 3, 102 do assert.equal(inspect(t[i]), inspect(r[i])) end
      end
    end)
  end

  it("a __transfer may replace the cells of a function's upvalues", function()
    local ex = h.pool(1)
    for round = 1, ROUNDS do
      local function cell(n) return function() return n end end
      local first, list = cell(-round), {}
      list[1] = first
      list[2] = act(function()
        debug.upvaluejoin(first, 1, cell(0), 1)
        collect()
        local fresh = many(100, cell)
        for i = 1, 100 do list[2 + i] = fresh[i] end
      end)
      for i = 1, 100 do list[2 + i] = true end
      local r = ex:submit(echo, list):result()
      assert.equal(-round, r[1]())
      for i = 1, 100 do assert.equal(i, r[2 + i]()) end
    end
  end)

  it("a metatable that a __transfer removes is not mixed up with another", function()
    local ex = h.pool(1)
    for round = 1, ROUNDS do
      local x = setmetatable({}, { n = -round })
      local list = { x, act(function()
        setmetatable(x, nil)
        collect()
      end) }
      for i = 1, 50 do
        list[2 + i] = act(function() list[100 + i] = setmetatable({}, { n = i }) end)
      end
      for i = 1, 50 do list[100 + i] = false end
      for i = 53, 100 do list[i] = false end
      local r = ex:submit(echo, list):result()
      assert.equal(-round, getmetatable(r[1]).n)
      for i = 1, 50 do assert.equal(i, getmetatable(r[100 + i]).n) end
    end
  end)

  it("what __transfer returns is not mixed up with what another one returned", function()
    local ex = h.pool(1)
    local list = {}
    for i = 1, 300 do
      list[i] = setmetatable({}, { __transfer = function()
        collectgarbage()
        return unpack_one, { { i, tostring(i):rep(20), function() return i end } }
      end })
    end
    local r = ex:submit(echo, list):result()
    for i = 1, 300 do
      assert.same({ i, tostring(i):rep(20) }, { r[i][1], r[i][2] })
      assert.equal(i, r[i][3]())
    end
  end)

  for _, mode in ipairs { "v", "k", "kv" } do
    it("weak tables (" .. mode .. ") may lose entries", function()
      local ex = h.pool(1)
      for round = 1, ROUNDS do
        local t, keep = setmetatable({}, { __mode = mode }), {}
        for i = 1, 20 do
          local key, value = { "key", i }, { "weak", i }
          if i % 2 == 0 then
            value = act(collect, { "object", i })
            keep[i] = { key, value }
          end
          if mode == "v" then key = i end
          t[key] = value
        end
        local r = ex:submit(function(copy, strong) -- the copy is weak itself
          local found = {}
          for k, v in pairs(copy) do found[type(k) == "table" and k[2] or k] = v end
          return found, strong
        end, t, keep):result()
        for i = 1, 20 do
          if i % 2 == 0 then assert.same({ "object", i }, r[i], round) end
          if i % 2 == 1 and r[i] then assert.same({ "weak", i }, r[i], round) end
        end
      end
    end)
  end

  it("weak tables without any __transfer may lose entries for want of memory", function()
    local ex = h.pool(1)
    local t = setmetatable({}, { __mode = "v" })
    for i = 1, 1000 do t[i] = { i } end
    local r = ex:submit(function(copy)
      local found = {}
      for i, v in pairs(copy) do found[i] = v end
      return found
    end, t):result()
    for i, v in pairs(r) do assert.equal(i, v[1]) end
  end)

  it("finalizers may change it", function()
    local ex = h.pool(1)
    for round = 1, ROUNDS do
      local t = { { "first", round } }
      local function work()
        t[1] = false
        for i = 1, 100 do t[2 + i] = { "fresh", i } end
      end
      t[2] = act(function()
        setmetatable({}, { __gc = work })
        collect()
      end)
      for i = 1, 100 do t[2 + i] = true end
      local r = ex:submit(echo, t):result()
      assert.same({ "first", round }, r[1])
      for i = 1, 100 do assert.same({ "fresh", i }, r[2 + i]) end
    end
  end)

  it("a __transfer may send messages of its own", function()
    local ex = h.pool(1)
    local inner
    local list = { { 1 }, act(function()
      inner = ex:submit(echo, { act(collect, "inner"), { 2 } })
    end), { 3 } }
    local r = ex:submit(echo, list):result()
    assert.same({ { 1 }, "acted", { 3 } }, r)
    assert.same({ "inner", { 2 } }, inner:result())
  end)

  it("a searchpath of the script's own may collect", function()
    local ex, real = h.pool(1), package.searchpath
    local t = { setmetatable({}, { __mode = "v" }), "x" }
    for i = 1, 100 do t[1][i] = { i } end
    package.loaded["spec.no.such.module"] = {}
    package.searchpath = function() collect() end -- luacheck: ignore 122
    local ok, r = pcall(function() return ex:submit(echo, function() return t end, t):result() end)
    package.searchpath = real -- luacheck: ignore 122
    package.loaded["spec.no.such.module"] = nil
    assert.is_true(ok, r)
    for i, v in pairs(r()[1]) do assert.equal(i, v[1]) end
  end)

  it("many values at once are kept as well", function()
    local ex = h.pool(1)
    local list = {}
    for i = 1, 400, 2 do
      list[i] = { i }
      list[i + 1] = act(function()
        list[i] = nil
        collect()
      end, { "object", i })
    end
    local n = 400
    local r = table.pack(ex:submit(echo, table.unpack(list, 1, n)):result())
    for i = 1, n, 2 do assert.same({ { i }, { "object", i } }, { r[i], r[i + 1] }) end
  end)

  it("the collector does its work afterwards, as it was set", function()
    local ex = h.pool(1)
    assert.is_true(collectgarbage "isrunning")
    collectgarbage()
    collectgarbage "stop"
    ex:submit(echo, { act(function() end) }):result()
    assert.is_false(collectgarbage "isrunning")
    collectgarbage "restart"
    ex:submit(echo, { act(function() collectgarbage "stop" end) }):result()
    assert.is_false(collectgarbage "isrunning")
    collectgarbage "restart"
    local most = 0
    for i = 1, 50 * ROUNDS do
      ex:submit(echo, { i, { ("x"):rep(1000) .. i } }):result()
      most = math.max(most, collectgarbage "count")
    end
    assert.is_true(most < 50000, most)
  end)
end)

describe("A table that a __transfer changes while it is packed", function()
  after_each(h.finish)

  it("is sent without what is gone", function()
    local ex = h.pool(1)
    local t = { 1, 2, 3, x = 1, y = { 2 }, z = { 3 } }
    t[2] = act(function()
      t[3] = nil
      t.y = nil
    end)
    local r = ex:submit(echo, t):result()
    assert.same({ 1, "acted", nil, x = 1, z = { 3 } }, r)
  end)

  it("may lose the object itself, and all that comes after", function()
    local ex = h.pool(1)
    local t = {}
    for i = 1, 50 do
      t["key" .. i] = act(function()
        for key in pairs(t) do t[key] = nil end
        collect()
      end)
    end
    local r = ex:submit(echo, t):result()
    assert.equal("acted", r[next(r)])
    assert.is_nil(next(r, (next(r))))
  end)

  it("is refused if it got keys that would not be sent", function()
    local ex = h.pool(1)
    for _, key in ipairs { "new", 3, 1.5 } do
      local t = { x = 1 }
      t[1] = act(function() t[key] = true end)
      t[2] = { 2 }
      local err = h.raises("transfer", ex.submit, ex, echo, t)
      h.contains("argument 1: the table was changed while it was sent", err.message)
    end
  end)

  it("is sent whole if other tables change", function()
    local ex = h.pool(1)
    local other = { { 1 } }
    local t = { other, act(function() other[2] = 2 end), { 3 } }
    assert.same({ { { 1 } }, "acted", { 3 } }, ex:submit(echo, t):result())
  end)
end)
