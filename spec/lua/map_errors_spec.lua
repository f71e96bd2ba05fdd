-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"

local function divide(a, b)
  if b == 0 then error { divided = a } end
  return a // b
end

-- Returns all that a map gives: { true, index, results… } or { false, error }, up to the end.
local function outcomes(it_)
  local list = {}
  while true do
    local r = table.pack(pcall(it_))
    if r[1] and r[2] == nil then return list end
    list[#list + 1] = r
  end
end

local function check_divisions(list)
  assert.equal(4, #list)
  assert.same({ true, 1, 5, n = 3 }, list[1])
  assert.same({ false, { divided = 20 }, n = 2 }, list[2])
  assert.same({ true, 3, 10, n = 3 }, list[3])
  assert.same({ false, { divided = 40 }, n = 2 }, list[4])
end

describe("A map's messages", function()
  after_each(h.finish)

  it("say how to give an iterator that comes with more values", function()
    h.fails("tidepool.iter", function() return h.pool(1):map(print, io.lines "README.md") end)
  end)

  it("name the method that was called with '.'", function()
    local it_ = h.pool(1):map(print, {})
    h.fails("calling 'collect' on bad self", function() return it_.collect() end)
    h.fails("(tidepool.map expected, got number)", function() return it_.close(5) end)
  end)
end)

describe("An error in a map", function()
  after_each(h.finish)

  it("is raised at its turn (map exception)", function()
    local it_ = h.pool(2):map(divide, { 1, 1, 1, 1 }, { 2, 1, 0, 5 })
    assert.same({ 1, 0 }, { it_() })
    assert.same({ 2, 1 }, { it_() })
    local ok, err = pcall(it_)
    assert.is_false(ok)
    assert.same({ divided = 1 }, err)
  end)

  it("lets the iteration go on after it", function()
    check_divisions(outcomes((h.pool(2):map(divide, { 10, 20, 30, 40 }, { 2, 0, 3, 0 }))))
  end)

  it("fails its own item only, whatever the chunksize", function()
    for _, chunksize in ipairs { 1, 2, 3, 4, 100, "auto" } do
      local ex = h.pool(2):with { chunksize = chunksize }
      check_divisions(outcomes((ex:map(divide, { 10, 20, 30, 40 }, { 2, 0, 3, 0 }))))
    end
  end)

  it("fails its own item only when unordered", function()
    local ex = h.pool(2):with { ordered = false, chunksize = 2 }
    local good, bad = {}, 0
    for _, r in ipairs(outcomes((ex:map(divide, { 10, 20, 30, 40 }, { 2, 0, 3, 0 })))) do
      if r[1] then good[r[2]] = r[3] else bad = bad + 1 end
    end
    assert.same({ [1] = 5, [3] = 10 }, good)
    assert.equal(2, bad)
  end)

  it("stops a for, and cancels what has not started", function()
    local ex, g = h.pool(1), gate.new()
    local first = true
    local ok, err = pcall(function()
      for _ in ex:with({ chunksize = 1 }):map(function(x)
        if x == 1 then error("first", 0) end
        gate.wait(g)
      end, { 1, 2, 3, 4, 5 }) do
        first = false
      end
    end)
    assert.same({ false, "first" }, { ok, err })
    assert.is_true(first)
    gate.open(g)
    ex:shutdown()
    assert.is_true(ex:stats().cancelled >= 3)
  end)

  it("comes out of collect", function()
    local ok, err = pcall(function()
      return h.pool(2):map(divide, { 10, 20 }, { 2, 0 }):collect()
    end)
    assert.is_false(ok)
    assert.same({ divided = 20 }, err)
  end)

  it("may be nil or false", function()
    for _, chunksize in ipairs { 1, 3 } do
      local ex = h.pool(2):with { chunksize = chunksize }
      local list = outcomes((ex:map(function(x)
        if x == 1 then error(nil) end
        if x == 2 then error(false) end
        return x
      end, { 1, 2, 3 })))
      assert.same({ { false, nil, n = 2 }, { false, false, n = 2 }, { true, 3, 3, n = 3 } }, list)
    end
  end)

  it("keeps its message as the task made it", function()
    for _, chunksize in ipairs { 1, 2 } do
      local it_ = h.pool(1):with({ chunksize = chunksize }):map(function(x) error("item " .. x) end,
        { "a", "b" })
      local ok, err = pcall(it_)
      assert.is_false(ok)
      assert.matches("map_errors_spec.lua:%d+: item a$", err)
      ok, err = pcall(it_)
      assert.is_false(ok)
      assert.matches("map_errors_spec.lua:%d+: item b$", err)
    end
  end)
end)

describe("The traceback of a map's item", function()
  after_each(h.finish)

  it("is that of the error raised last, whatever the chunksize", function()
    local function thrower(x) error("thrown for " .. x) end
    for _, chunksize in ipairs { 1, 3 } do
      local it_ = h.pool(1):with({ chunksize = chunksize }):map(thrower, { "a", "b" })
      assert.is_nil(it_:traceback())
      for _, name in ipairs { "a", "b" } do
        pcall(it_)
        h.contains("thrown for " .. name, it_:traceback())
        h.contains("stack traceback:", it_:traceback())
        h.contains("map_errors_spec.lua", it_:traceback())
      end
    end
  end)

  it("stays when later items succeed, whatever the chunksize", function()
    local function picky(x) if x == 1 then error "thrown" end end
    for _, chunksize in ipairs { 1, 2, 3 } do
      local it_ = h.pool(1):with({ chunksize = chunksize }):map(picky, { 1, 2, 3 })
      pcall(it_)
      for _ = 1, 3 do
        h.contains("thrown", it_:traceback())
        it_()
      end
    end
  end)
end)

describe("A result that cannot be sent", function()
  after_each(h.finish)

  it("fails its own item only, whatever the chunksize", function()
    for _, chunksize in ipairs { 1, 2, 3, "auto" } do
      local ex = h.pool(2):with { chunksize = chunksize }
      local list = outcomes((ex:map(function(x)
        if x == 2 then return { deep = coroutine.create(print) } end
        return x
      end, { 1, 2, 3 })))
      assert.equal(3, #list)
      assert.same({ true, 1, 1, n = 3 }, list[1])
      assert.is_false(list[2][1])
      assert.equal("transfer", list[2][2].kind)
      h.contains("field deep", list[2][2].message)
      assert.same({ true, 3, 3, n = 3 }, list[3])
    end
  end)
end)

describe("An argument of a map that cannot be sent", function()
  after_each(h.finish)

  it("raises kind transfer and leaves nothing behind", function()
    local ex = h.pool(2)
    for _, chunksize in ipairs { 1, 2, "auto" } do
      local err = h.raises("transfer", function()
        return ex:with({ chunksize = chunksize }):map(type, { 1, coroutine.create(print), 3 })
          :collect()
      end)
      assert.equal("item 2: cannot send a coroutine", err.message)
    end
    assert.equal(10, ex:submit(function() return 10 end):result())
  end)

  it("is refused in the function too", function()
    local co = coroutine.create(print)
    local ex = h.pool(1)
    local err = h.raises("transfer", ex.map, ex, function() return co end, { 1 })
    h.contains("upvalue co", err.message)
  end)
end)

describe("An iterator function that raises", function()
  after_each(h.finish)

  it("raises where it is read, and the map stays usable for what was read", function()
    local ex, n = h.pool(1), 0
    local ok, err = pcall(function()
      for _ in ex:map(divide, function()
        n = n + 1
        if n == 3 then error("no more input", 0) end
        return n
      end, { 1, 1, 1, 1 }) do
        assert(n <= 3)
      end
    end)
    assert.is_false(ok)
    assert.equal("no more input", err)
  end)
end)
