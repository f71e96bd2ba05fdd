-- Functions that are sent again and again: which of them are the same, and what is remembered.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local BOUND = 4096 -- of pieces of code that a state remembers

local function park(g) gate.wait(g) end

local function make(i) return assert(load("return " .. i)) end

describe("Code is found again", function()
  after_each(h.finish)

  it("by the function, whatever its upvalues are by now", function()
    local ex, a, b, c = h.pool(1), 1, "two", 3.5
    local function all() return a, b, c end
    for i = 1, 5 do
      a, b, c = i, "number " .. i, i / 2
      assert.same({ i, "number " .. i, i / 2 }, { ex:submit(all):result() })
    end
    b = { 1, { 2 } }
    assert.same({ 5, { 1, { 2 } }, 2.5 }, { ex:submit(all):result() })
    b = ("long"):rep(1000)
    assert.equal(b, select(2, ex:submit(all):result()))
    b = print
    assert.equal(print, select(2, ex:submit(all):result()))
  end)

  it("by its content, for a function made anew", function()
    local ex, futures = h.pool(2), {}
    for i = 1, 500 do
      local x, y = i, { i }
      futures[i] = ex:submit(i % 2 == 0 and function() return x + 1 end
        or function(z) return x + y[1] + z end, i)
    end
    for i = 1, 500 do
      assert.equal(i % 2 == 0 and i + 1 or 3 * i, futures[i]:result())
    end
  end)

  it("not by an address that another function had before", function()
    local ex = h.pool(1)
    for i = 1, 3000 do -- each takes the place of one that is collected
      assert.equal(i, ex:submit(make(i)):result())
      if i % 50 == 0 then collectgarbage() end
    end
  end)

  it("for closures made anew of functions that take each other's place", function()
    local ex, before = h.pool(1), collectgarbage("incremental")
    for _, mode in ipairs { "generational", "incremental" } do
      collectgarbage(mode)
      for i = 1, 1000 do
        local name_i = ("return x, 'name %d'"):format(i)
        local again = assert(load("local x = ... return function() " .. name_i .. " end"))
        for k = 1, 3 do
          local x, name = ex:submit(again(k)):result()
          assert.equal(k, x)
          assert.equal("name " .. i, name)
        end
        if i % 5 == 0 then collectgarbage() end
      end
    end
    collectgarbage(before)
  end)

  it("not for a function that was redefined in the same place", function()
    local ex = h.pool(1)
    local function define(text) return assert(load(text, "=redefined")) end
    local f = define "local function f(x) return x.one end return f" ()
    assert.equal(1, ex:submit(f, { one = 1, two = 2 }):result())
    f = define "local function f(x) return x.two end return f" ()
    assert.equal(2, ex:submit(f, { one = 1, two = 2 }):result())
    f = define "local function f(y) return y.two end return f" () -- but for a name the same
    assert.equal(2, ex:submit(f, { one = 1, two = 2 }):result())
    h.contains("local 'y'", ex:submit(f):exception())
  end)

  it("not for another function of the same line", function()
    local ex = h.pool(1)
    local f, g = function(x) return x.a end, function(y) return y.a end
    local one, two = function() return 1 end, function() return 2 end
    for _ = 1, 3 do
      h.contains("local 'x'", ex:submit(f):exception())
      h.contains("local 'y'", ex:submit(g):exception())
      assert.equal(1, ex:submit(one):result())
      assert.equal(2, ex:submit(two):result())
    end
  end)

  it("although the function is sent by name as soon as its module has one", function()
    local ex = h.pool(1)
    for _ = 1, 2 do assert.equal("table", ex:submit(type, string):result()) end
    local named = require "spec.support.sample".double
    for i = 1, 3 do assert.equal(2 * i, ex:submit(named, i):result()) end
  end)
end)

describe("More code than is remembered", function()
  after_each(h.finish)

  it("is right, in a circle and at random", function()
    local ex, fs = h.pool(1), {}
    for i = 1, BOUND + 500 do fs[i] = make(i) end
    for _ = 1, 2 do
      local futures = {}
      for i = 1, #fs do futures[i] = ex:submit(fs[i]) end
      for i = 1, #fs do assert.equal(i, futures[i]:result()) end
    end
    for _ = 1, 2000 do
      local i = math.random(#fs)
      assert.equal(i, ex:submit(fs[i]):result())
    end
  end)

  it("stays alive in messages that are under way", function()
    local ex, g, futures = h.pool(1), gate.new(), {}
    local parked = ex:submit(park, g)
    gate.arrived(g, 1)
    for i = 1, 2 * BOUND + 10 do futures[i] = ex:submit(make(i)) end
    collectgarbage()
    gate.open(g)
    parked:result()
    for i = 1, #futures do assert.equal(i, futures[i]:result()) end
  end)

  it("is counted in bytes too", function()
    local ex = h.pool(1)
    for i = 1, 12 do
      local f = assert(load(("return %d, #'%s'"):format(i, ("x"):rep(1 << 20))))
      assert.same({ i, 1 << 20 }, { ex:submit(f):result() })
    end
  end)

  it("may come in one message", function()
    local fs = {}
    for i = 1, BOUND + 100 do fs[i] = make(i) end
    local sum = h.pool(1):submit(function(list)
      local sum = 0
      for _, f in ipairs(list) do sum = sum + f() end
      return sum
    end, fs):result()
    assert.equal(#fs * (#fs + 1) // 2, sum)
  end)
end)

describe("The debug library's changes of a function that was sent before", function()
  after_each(function()
    brought = nil -- luacheck: ignore
    h.finish()
  end)

  it("count: setupvalue", function()
    local ex, n = h.pool(1), 1
    local function read() return n end
    for i = 1, 4 do
      debug.setupvalue(read, 1, i % 2 == 0 and i or { i })
      assert.same(i % 2 == 0 and i or { i }, ex:submit(read):result())
    end
    debug.setupvalue(read, 1, n) -- luacheck: ignore
  end)

  it("count: upvaluejoin, so that two upvalues are one", function()
    local ex, a, b = h.pool(1), 1, 2
    local function bump()
      a = a + 10
      return b
    end
    for _ = 1, 3 do assert.equal(2, ex:submit(bump):result()) end
    debug.upvaluejoin(bump, 1, bump, 2)
    for _ = 1, 3 do assert.equal(12, ex:submit(bump):result()) end
    assert.same({ 1, 2 }, { a, b })
  end)

  it("count: another environment, with the globals that are named there", function()
    brought = "a global" -- luacheck: ignore
    local ex, env = h.pool(1), { brought = "of a table", tostring = tostring }
    local f = assert(load("return tostring(brought)", "=chunk", "t", env))
    for _ = 1, 2 do assert.equal("of a table", ex:submit(f):result()) end
    debug.setupvalue(f, 1, _G)
    for _ = 1, 2 do assert.equal("a global", ex:submit(f):result()) end
    debug.setupvalue(f, 1, env)
    for _ = 1, 2 do assert.equal("of a table", ex:submit(f):result()) end
  end)
end)

describe("A task whose parts are all plain", function()
  after_each(h.finish)

  it("arrives as it is: every scalar, short and long strings, nils at the end", function()
    local ex = h.pool(1)
    local up1, up2, up3, up4 = nil, false, math.mininteger, -0.0
    local function echo(...) return up1, up2, up3, up4, _G ~= nil, ... end
    local values = table.pack(ex:submit(echo, "", ("x"):rep(64), ("x"):rep(65), "\0", 1 / 0, nil, 2,
      nil):result())
    assert.same(table.pack(nil, false, math.mininteger, -0.0, true, "", ("x"):rep(64),
      ("x"):rep(65), "\0", 1 / 0, nil, 2, nil), values)
    assert.equal("-0.0", tostring(values[4]))
    local nan = ex:submit(echo, 0 / 0):result()
    assert.equal(nil, nan)
  end)

  it("arrives with arrays and shared values, which stay what they are", function()
    local ex, arrays = h.pool(1), {}
    local function echo(...) return ... end
    local function count(...)
      local n, seen = 0, {}
      for _, v in ipairs { ... } do
        if not seen[v] then n, seen[v] = n + 1, true end
      end
      return n
    end
    for i = 1, 6 do arrays[i] = tidepool.array("i32", i) end
    local share = tidepool.share { 1 }
    for _ = 1, 3 do -- the first time they are not known yet
      local a, s, n = ex:submit(echo, arrays[1], share, 7):result()
      assert.is_true(rawequal(a, arrays[1]) and rawequal(s, share) and n == 7)
      local f = ex:submit(echo, arrays[2])
      assert.is_true(rawequal(f:result(), f:result()))
      assert.equal(1, ex:submit(count, arrays[1], arrays[1]):result())
      assert.equal(6, ex:submit(count, table.unpack(arrays)):result())
      local t, b = ex:submit(echo, { arrays[3] }, arrays[3]):result()
      assert.is_true(rawequal(t[1], b) and rawequal(b, arrays[3]))
      assert.equal(3, ex:submit(function() return #arrays[3] end):result())
    end
  end)

  it("gives the same array and shared value each time its future is read", function()
    local ex = h.pool(1)
    local f = ex:submit(function()
      local tp = require "tidepool"
      return tp.share { 1 }, tp.array("u8", 3)
    end)
    local value, seen = (f:result()):get(), setmetatable({}, { __mode = "k" })
    seen[select(2, f:result())] = true
    collectgarbage()
    collectgarbage()
    assert.is_true(rawequal(value, f:result():get()))
    assert.is_true(seen[select(2, f:result())])
  end)

  it("releases arrays that were held for a call that cannot be sent", function() -- leaks: ASan
    local ex = h.pool(1)
    local kept = setmetatable({}, { __mode = "k" })
    do
      local a = tidepool.array("u8", 1000000)
      kept[a] = true
      local function echo(x) return x end
      for _ = 1, 2 do
        assert.equal(a, ex:submit(echo, a):result())
        h.raises("transfer", ex.submit, ex, echo, a, coroutine.create(print))
      end
    end
    ex:shutdown()
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(next(kept))
  end)

  it("is called by the name of a function as well", function()
    assert.equal("abab", h.pool(1):submit("string.rep", "ab", 2):result())
  end)

  it("sees the paths as they are at each submit", function()
    local path, ex = package.path, h.pool(1)
    local function read() return package.path end
    for i = 1, 6 do
      package.path = path .. (i % 2 == 0 and ";/nowhere/?.lua" or ";/elsewhere/?.lua")
      assert.equal(package.path, ex:submit(read):result())
      assert.equal(package.path, ex:submit(read):result())
    end
    package.path = path
    assert.equal(path, ex:submit(read):result())
  end)
end)

describe("Functions that a task returns", function()
  after_each(h.finish)

  it("are two if they were two, and run here", function()
    local f, g = h.pool(1):submit(function()
      local function counter()
        local n = 0
        return function()
          n = n + 1
          return n
        end
      end
      return counter(), counter()
    end):result()
    assert.is_true(f ~= g)
    assert.same({ 1, 2, 1 }, { f(), f(), g() })
    assert.equal(2, #tidepool.wait { h.pool(1):submit(f), h.pool(1):submit(g) })
  end)
end)
