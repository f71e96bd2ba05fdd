-- Random values are sent into a task and back. They stay equal all the way down and of the same
-- shape: what was one object is one object. TIDE_SEED repeats a run.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, before_each, after_each = h.busted()
local assert = require "luassert"
local deep = require "spec.support.deep"

local rounds = math.ceil(300 * h.stress)

local function echo(...) return ... end

describe("deep.same, by which the others are judged,", function()
  local function same(a, b) return (deep.same(a, b)) end

  it("tells subtypes, NaN and signed zeros apart", function()
    assert.is_true(same(1, 1))
    assert.is_false(same(1, 1.0))
    assert.is_true(same(0 / 0, 0 / 0))
    assert.is_false(same(0.0, -0.0))
    assert.is_false(same("1", 1))
    assert.is_false(same(nil, false))
  end)

  it("compares tables, their metatables and their shape", function()
    local a, b = { x = { 1 } }, { x = { 1 } }
    assert.is_true(same(a, b))
    assert.is_false(same(a, { x = { 1.0 } }))
    assert.is_false(same(a, { x = { 1 }, y = 1 }))
    assert.is_false(same(setmetatable({}, a), {}))
    assert.is_true(same(setmetatable({}, a), setmetatable({}, b)))
    assert.is_true(same({ a, a }, { b, b }))
    assert.is_false(same({ a, a }, { b, { x = { 1 } } }))
    assert.is_false(same({ a, { x = { 1 } } }, { b, b }))
    a.loop, b.loop = a, b
    assert.is_true(same(a, b))
    b.loop = a
    assert.is_false(same(a, b))
    assert.is_true(same({ [{ 1 }] = 2 }, { [{ 1 }] = 2 }))
    assert.is_false(same({ [{ 1 }] = 2 }, { [{ 1 }] = 3 }))
  end)

  it("compares functions with their upvalues", function()
    local function make(x) return function() return x end end
    assert.is_true(same(make { 1 }, make { 1 }))
    assert.is_false(same(make { 1 }, make { 2 }))
    assert.is_false(same(make(1), function() return 1 end))
  end)
end)

describe("A random value", function()
  local seed
  before_each(function() seed = h.seed "property_spec" end)
  after_each(h.finish)

  local function check(a, b, round)
    local ok, where = deep.same(a, b)
    if not ok then error(("seed %d, round %d: %s"):format(seed, round, where)) end
  end

  it("comes back from a task as it went", function()
    local ex = h.pool(2)
    for i = 1, rounds do
      local value = deep.random(5)
      check(value, ex:submit(echo, value):result(), i)
    end
  end)

  it("comes back from a task's error as it went", function()
    local ex = h.pool(2)
    for i = 1, rounds // 2 do
      local value = deep.random(4)
      local ok, back = ex:submit(error, value, 0):pcall()
      assert.is_false(ok)
      check(value, back, i)
    end
  end)

  it("comes back as an upvalue as it went", function()
    local ex = h.pool(2)
    for i = 1, rounds // 2 do
      local value = deep.random(4)
      check(value, ex:submit(function() return value end):result(), i)
    end
  end)

  it("keeps what several arguments share", function()
    local ex = h.pool(2)
    for i = 1, rounds // 2 do
      local made = {}
      local a, b, c = deep.random(3, made), deep.random(3, made), deep.random(3, made)
      check({ a, b, c, made }, table.pack(ex:submit(function(...)
        local t = table.pack(...)
        t.n = nil
        return t
      end, a, b, c, made):result())[1], i)
    end
  end)

  it("passes through two tasks as through one", function()
    local ex = h.pool(2)
    for i = 1, rounds // 4 do
      local value = deep.random(4)
      local once = ex:submit(echo, value):result()
      check(value, ex:submit(echo, once):result(), i)
    end
  end)

  it("leaves the original as it was", function()
    local ex = h.pool(1)
    for i = 1, rounds // 4 do
      local t = { deep.random(4) }
      local before = ex:submit(echo, t):result()
      ex:submit(function(x)
        for k in pairs(x) do x[k] = nil end
        x[1] = "changed"
      end, t):result()
      check(before, t, i)
    end
  end)
end)

describe("A random list", function()
  local seed
  before_each(function() seed = h.seed "property_spec" end)
  after_each(h.finish)

  local makers = {
    function(i) return i end, function(i) return i + 0.5 end, function(i) return i // 1.0 end,
    tostring, function(i) return { i } end, function(i) return i % 3 > 0 end,
  }
  local random = math.random

  -- The table's history decides which of its elements lie in the array part.
  local function list()
    local t, n, make = {}, 0, makers[random(#makers)]
    for _ = 1, random(8) do
      local what = random(6)
      if what <= 2 then -- append
        for _ = 1, random(50) do
          n = n + 1
          t[n] = make(n)
        end
      elseif what == 3 then -- take from the end
        for _ = 1, math.min(n, random(50)) do
          t[n] = nil
          n = n - 1
        end
      elseif what == 4 then -- backwards, beyond a gap
        for i = n + random(20), n + 1, -1 do t[i] = make(i) end
      elseif what == 5 then -- a hole, and keys that are no elements
        t[random(100)], t[-random(9)], t["7"], t[7.5] = nil, 1, "seven", 7
      else
        make = makers[random(#makers)]
      end
    end
    return t
  end

  it("comes back as it went, whatever became of it before", function()
    local ex = h.pool(1)
    for i = 1, rounds do
      local t = list()
      local once = ex:submit(echo, t):result()
      local ok, where = deep.same(t, once)
      if ok then ok, where = deep.same(t, (ex:submit(echo, once):result())) end
      if not ok then error(("seed %d, round %d: %s"):format(seed, i, where)) end
    end
  end)
end)
