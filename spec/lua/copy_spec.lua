-- Finalizers run for originals, never for copies.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local finalized = require "spec.support.finalized"
local tidepool = require "tidepool"

local function collect()
  collectgarbage()
  collectgarbage()
end

-- An object and the array whose first element counts its finalizations, wherever they are.
local function counted()
  local count = tidepool.array("i64", 1)
  return setmetatable({ count = count }, { __gc = function(t) t.count:add(1, 1) end }), count
end

describe("No finalizer runs for", function()
  after_each(h.finish)

  local original, count

  -- What `send` leaves in an executor's worker is collected, and the worker's state closed.
  local function check(send)
    original, count = counted()
    local ex = h.pool(1)
    send(ex, original)
    ex:submit(collect):result()
    collect()
    assert.equal(0, count[1])
    ex:shutdown()
    assert.equal(0, count[1])
    original = nil
    collect()
    assert.equal(1, count[1])
  end

  it("an argument", function()
    check(function(ex, o) ex:submit(function(t) return t.count[1] end, o):result() end)
  end)

  it("an upvalue", function()
    check(function(ex, o) ex:submit(function() return o.count[1] end):result() end)
  end)

  it("a value deep in others", function()
    check(function(ex, o) ex:submit(type, { { o }, [o] = { o } }):result() end)
  end)

  it("a copy of a copy", function()
    check(function(ex, o)
      local function echo(...) return ... end
      local copy = ex:submit(echo, o):result()
      local _, err = ex:submit(function(t) error { t } end, copy):pcall()
      assert.equal(o.count, err[1].count)
    end)
  end)

  it("an item of a map", function()
    check(function(ex, o) ex:map(function(t) return t end, { o, o, o }):collect() end)
  end)

  it("a shared value", function()
    check(function(ex, o)
      local share = tidepool.share { o }
      ex:submit(function() return share:get()[1].count[1] end):result()
    end)
  end)

  it("an argument of an initializer", function()
    check(function(_, o)
      local ex = h.pool { max_workers = 1, initializer = type, initargs = { o } }
      ex:submit(collect):result()
      ex:shutdown()
    end)
  end)

  it("what a promise got", function()
    check(function(ex, o)
      local p = tidepool.future()
      p:set_result(o)
      ex:submit(function() return p:result().count[1] end):result()
      assert.equal(o.count, p:result().count)
    end)
  end)

  it("a global", function()
    check(function(ex, o)
      _G.copy_spec_global = o
      ex:submit(function() return copy_spec_global.count[1] end):result() -- luacheck: ignore 113
      _G.copy_spec_global = nil
    end)
  end)

  it("an object whose metatable is sent by name", function()
    local ex = h.pool(1)
    local o = finalized.new(1)
    local function use(t)
      return getmetatable(t) == require "spec.support.finalized".Object and t.n
    end
    assert.equal(1, ex:submit(use, o):result())
    assert.equal(0, ex:submit(finalized.collect):result())
    local back = ex:submit(function(t) return t end, o):result()
    assert.equal(finalized.Object, getmetatable(back))
    local before = finalized.collect()
    back = nil -- luacheck: ignore 311
    assert.equal(before, finalized.collect())
    o = nil -- luacheck: ignore 311
    assert.equal(before + 1, finalized.collect())
  end)
end)

describe("Finalizers run for", function()
  after_each(h.finish)

  it("what a task makes with a metatable that was sent", function()
    local _, count = counted()
    local meta = { __gc = function(t) t.count:add(1, 1) end }
    local ex = h.pool(1)
    ex:submit(function(m, c)
      setmetatable({ count = c }, m)
      collectgarbage()
      collectgarbage()
    end, meta, count):result()
    assert.equal(1, count[1])
  end)

  it("what a task makes by a module while copies of its objects come and go", function()
    local ex = h.pool(1)
    local n = ex:submit(function(copies)
      local m = require "spec.support.finalized"
      assert(getmetatable(copies[1]) == m.Object)
      for i = 1, 10 do m.new(i) end
      return m.collect()
    end, { finalized.new(1), finalized.new(2) }):result()
    assert.equal(10, n)
  end)

  it("the original of a result, in the worker", function()
    local ex = h.pool(1)
    local count = tidepool.array("i64", 1)
    local back = ex:submit(function(c)
      return setmetatable({ count = c }, { __gc = function(t) t.count:add(1, 1) end })
    end, count):result()
    ex:submit(function() collectgarbage() collectgarbage() end):result()
    assert.equal(1, count[1])
    assert.equal("function", type(getmetatable(back).__gc))
    back = nil -- luacheck: ignore 311
    collect()
    assert.equal(1, count[1])
  end)

  it("what __transfer makes on the other side", function()
    local ex = h.pool(1)
    local object = setmetatable({ duty = true }, {
      __transfer = function(self)
        self.duty = false -- handed over
        return "spec.support.finalized.new", 7
      end,
    })
    assert.equal(1, ex:submit(function(t)
      assert(t.n == 7)
      t = nil -- luacheck: ignore 311
      return require "spec.support.finalized".collect()
    end, object):result())
    assert.is_false(object.duty)
  end)
end)

describe("__transfer may return a function of the script,", function()
  after_each(h.finish)

  local Point = {}
  Point.__index = Point
  local function point(x, y) return setmetatable({ x = x, y = y }, Point) end
  function Point:__transfer() return point, self.x, self.y end

  it("which rebuilds the object, in each direction", function()
    local ex = h.pool(1)
    local p = point(3, 4)
    local back, same = ex:submit(function(a, b) return a, rawequal(a, b) end, p, p):result()
    assert.same({ 3, 4, true }, { back.x, back.y, same })
    local list = {}
    for i = 1, 50 do list[i] = point(i, -i) end
    for i, q in ipairs(ex:submit(function(l) return l end, list):result()) do
      assert.same({ i, -i }, { q.x, q.y })
    end
  end)

  it("of C, or of a module", function()
    local ex = h.pool(1)
    for _, fn in ipairs { string.rep, finalized.new } do
      local o = setmetatable({}, { __transfer = function() return fn, 2, 3 end })
      local back = ex:submit(function(v) return v end, o):result()
      assert.is_true(back == "222" or back.n == 2)
    end
  end)

  it("for an upvalue of the task beside the class", function()
    local ex = h.pool(1)
    local p, class = point(1, 2), Point
    assert.equal(2, ex:submit(function() return class and p.y end):result())
    assert.equal(2, ex:submit(function() return p.y and class and p.y end):result())
  end)

  it("but not one that refers to what holds the object", function()
    local ex = h.pool(1)
    local all = {}
    local function make() return all end
    all[1] = setmetatable({}, { __transfer = function() return make end })
    local err = h.raises("transfer", ex.submit, ex, type, all)
    h.contains("[1]: the function that its __transfer returned refers to what holds the object",
      err.message)
    all = nil -- luacheck: ignore 311
  end)

  it("and nothing else", function()
    local ex = h.pool(1)
    for _, answer in ipairs { false, 42, {} } do
      local x = setmetatable({}, { __transfer = function() return answer end })
      local err = h.raises("transfer", ex.submit, ex, type, x)
      h.contains("__transfer did not return a function or a 'module.function'", err.message)
    end
  end)
end)
