-- What can be sent: functions, their upvalues, and the globals that they name.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local sample = require "spec.support.sample"
local tidepool = require "tidepool"

local function call(f, ...) return f(...) end

describe("A Lua function is sent", function()
  after_each(h.finish)

  it("with its upvalues, at their values at each submit", function()
    local ex, n = h.pool(1), 1
    local function read() return n end
    local f1 = ex:submit(read)
    n = 2
    local f2 = ex:submit(read)
    assert.equal(1, f1:result())
    assert.equal(2, f2:result())
  end)

  it("as itself, though a finalizer sends another one meanwhile", function()
    local ex, armed = h.pool(1), true
    local function arm()
      setmetatable({}, { __gc = function()
        local f = load("return 'of the finalizer', " .. math.random(1 << 30))
        tidepool.future():set_result(f)
        if armed then arm() end
      end })
    end
    arm()
    collectgarbage "stop"
    collectgarbage("incremental", 10, 1000)
    collectgarbage "restart"
    for i = 1, 300 do
      assert.equal(i, ex:submit(load(("return %d -- %s"):format(i, ("x"):rep(i)))):result())
    end
    armed = false
    collectgarbage "generational"
  end)

  it("with fresh upvalues for each task", function()
    local ex, n = h.pool(1), 10
    local function bump()
      n = n + 1
      return n
    end
    for _ = 1, 3 do assert.equal(11, ex:submit(bump):result()) end
    assert.equal(10, n)
  end)

  it("with tables in upvalues that are copies for each task", function()
    local ex, t = h.pool(1), { 1 }
    local function grow()
      t[#t + 1] = 0
      return #t
    end
    for _ = 1, 3 do assert.equal(2, ex:submit(grow):result()) end
    assert.same({ 1 }, t)
  end)

  it("with upvalues that two functions share, still shared", function()
    local n = 0
    local function inc() n = n + 1 end
    local function get() return n end
    assert.equal(2, h.pool(1):submit(function(i, g)
      i()
      i()
      return g()
    end, inc, get):result())
  end)

  it("with upvalues shared between the function and its arguments", function()
    local n = 0
    local function inc() n = n + 1 end
    assert.equal(1, h.pool(1):submit(function(f)
      f()
      return n
    end, inc):result())
  end)

  it("when it calls itself (recursion)", function()
    local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
    assert.equal(55, h.pool(1):submit(fib, 10):result())
  end)

  it("when it and another call each other", function()
    local even
    local function odd(n) return n ~= 0 and even(n - 1) end
    function even(n) return n == 0 or odd(n - 1) end
    assert.is_true(h.pool(1):submit(even, 10):result())
    assert.is_true(h.pool(1):submit(odd, 7):result())
  end)

  it("with varargs, many upvalues and none", function()
    assert.equal(3, h.pool(1):submit(function(...) return select("#", ...) end, 1, 2, nil):result())
    local source = { "local a0 = 0\n" }
    for i = 1, 150 do source[#source + 1] = ("local a%d = %d\n"):format(i, i) end
    source[#source + 1] = "return function() return a0"
    for i = 1, 150 do source[#source + 1] = " + a" .. i end
    source[#source + 1] = " end"
    assert.equal(11325, h.pool(1):submit(load(table.concat(source))()):result())
    assert.equal(0, select("#", h.pool(1):submit(function() end):result()))
  end)

  it("as an argument, a result and an error", function()
    local ex, k = h.pool(1), 5
    local function add(x) return x + k end
    assert.equal(6, ex:submit(call, add, 1):result())
    assert.equal(7, ex:submit(function() return add end):result()(2))
    assert.equal(8, ex:submit(function() error(add) end):exception()(3))
  end)

  it("once per message: a function met twice stays one", function()
    local function f() end
    assert.is_true(h.pool(1):submit(function(a, b) return a == b end, f, f):result())
    local a, b = h.pool(1):submit(function() return f, f end):result()
    assert.equal(a, b)
  end)

  it("made by load, from a string and from string.dump", function()
    local ex = h.pool(1)
    assert.equal(9, ex:submit(load "local x = ... return x * x", 3):result())
    local stripped = load(string.dump(function(x) return x + 1 end, true))
    assert.equal(4, ex:submit(stripped, 3):result())
  end)

  it("with an _ENV of its own", function()
    local env = { y = 5 }
    local f = load("return y", "=own", "t", env)
    assert.equal(5, h.pool(1):submit(f):result())
  end)

  it("again and again from the same place, with other upvalues each time", function()
    local ex, fs = h.pool(2), {}
    for i = 1, 100 do fs[i] = ex:submit(function() return i end) end
    for i = 1, 100 do assert.equal(i, fs[i]:result()) end
  end)

  it("with modules as upvalues, which are sent by name", function()
    assert.equal(10, h.pool(1):submit(function() return sample.double(5) end):result())
  end)
end)

describe("A module's function", function()
  after_each(h.finish)

  it("that a script put there is sent by value", function()
    local extended = require "spec.support.extended"
    function extended.added(x) return x + 1 end
    local ex = h.pool(1)
    assert.equal(3, ex:submit(extended.added, 2):result())
    local own = ex:submit(function(f) return f == require "spec.support.extended".own end,
      extended.own)
    assert.is_true(own:result())
  end)

  it("of a C library that a Lua file completes is sent by the Lua file's name", function()
    local socket = require "socket"
    local ex = h.pool(1)
    local bind, sleep, same = ex:submit(function()
      return type(socket.bind), type(socket.sleep), socket == require "socket"
    end):result()
    assert.same({ "function", "function", true }, { bind, sleep, same })
  end)
end)

describe("A C function is sent", function()
  after_each(h.finish)

  it("by module name", function()
    assert.equal("x", h.pool(1):submit(call, string.lower, "X"):result())
    assert.equal(3, h.pool(1):submit(gate.add, "c", 3):result())
  end)
end)

describe("A global that the script defined and the function names", function()
  after_each(function()
    for _, name in ipairs { "alpha", "beta", "gamma", "counter", "level" } do _G[name] = nil end
    h.finish()
  end)

  it("is sent along", function()
    _G.alpha = { 1, 2 }
    assert.equal(2, h.pool(1):submit(function() return #alpha end):result()) -- luacheck: ignore 113
  end)

  it("is sent along with its value at each submit", function()
    local ex = h.pool(1)
    local function read() return counter end -- luacheck: ignore 113
    for i = 1, 3 do
      _G.counter = i
      assert.equal(i, ex:submit(read):result())
    end
    local fs = {}
    for i = 1, 10 do
      _G.counter = i
      fs[i] = ex:submit(read)
    end
    for i = 1, 10 do assert.equal(i, fs[i]:result()) end
  end)

  it("is sent along when a function that it calls names it", function()
    _G.gamma = 3
    function _G.beta() return gamma + 1 end -- luacheck: ignore 113
    function _G.alpha() return beta() + 1 end -- luacheck: ignore 113
    local ex = h.pool(1)
    assert.equal(5, ex:submit(function() return alpha() end):result()) -- luacheck: ignore 113
    assert.equal(5, ex:submit(alpha):result()) -- luacheck: ignore 113
  end)

  it("is sent along when only an inner function names it", function()
    _G.gamma = 8
    assert.equal(8, h.pool(1):submit(function()
      local function inner() return gamma end -- luacheck: ignore 113
      return inner()
    end):result())
  end)

  it("is sent along when the function has the globals in another upvalue, too", function()
    local G = _G
    _G.alpha, _G.beta = 7, 8
    local function outer() return type(G.print), alpha end -- luacheck: ignore 113
    local function both() return G.beta, alpha end -- luacheck: ignore 113
    local function inner()
      local function read() return alpha end -- luacheck: ignore 113
      return G.beta, read()
    end
    assert.same({ "function", 7 }, { h.pool(1):submit(outer):result() })
    assert.same({ 8, 7 }, { h.pool(1):submit(both):result() })
    assert.same({ 8, 7 }, { h.pool(1):submit(inner):result() })
  end)

  it("may refer to itself (a recursive global function)", function()
    function _G.level(n) return n == 0 and "down" or level(n - 1) end -- luacheck: ignore 113
    assert.equal("down", h.pool(1):submit(level, 5):result()) -- luacheck: ignore 113
  end)

  it("is not sent if the function does not name it", function()
    _G.alpha = coroutine.create(print)
    assert.equal(1, h.pool(1):submit(function() return 1 end):result())
  end)

  it("refuses the submit, with its path, if it cannot be sent", function()
    _G.alpha = { field = coroutine.create(print) }
    local ex = h.pool(1)
    local err = h.raises("transfer", ex.submit, ex, function() return alpha end) -- luacheck: ignore
    h.contains("global alpha, field field: cannot send a coroutine", err.message)
  end)

  it("does not replace what the worker's initializer defined", function()
    _G.alpha = "the script's"
    local ex = h.pool {
      max_workers = 1,
      initializer = function() rawset(_G, "alpha", "the initializer's") end,
    }
    assert.equal("the initializer's",
      ex:submit(function() return alpha end):result()) -- luacheck: ignore 113
  end)

  it("does not replace what Lua's libraries define", function()
    local ex = h.pool(1)
    local mine = print
    _G.print = function() return "mine" end
    local f = ex:submit(function() return print == nil, type(print) end)
    _G.print = mine
    assert.same({ false, "function" }, { f:result() })
  end)

  it("stays when another global of the same task is rebuilt from a future", function()
    local p = tidepool.future()
    p:set_result(3)
    _G.alpha = 17
    _G.beta = setmetatable({}, {
      __transfer = function() return "spec.support.sample.wait_for", p end,
    })
    local f = h.pool(1):submit(function() return alpha, beta end) -- luacheck: ignore 113
    assert.same({ 17, 3 }, { f:result() })
  end)

  it("that was removed is no longer seen by later tasks", function()
    local ex = h.pool(1)
    local function read() return alpha end -- luacheck: ignore 113
    _G.alpha = 1
    assert.equal(1, ex:submit(read):result())
    _G.alpha = nil
    assert.is_nil(ex:submit(read):result())
  end)

  it("stays in the owner as it was, whatever the task does to it", function()
    _G.alpha = { 1 }
    h.pool(1):submit(function() alpha[1] = 2 end):result() -- luacheck: ignore 112
    assert.same({ 1 }, _G.alpha)
  end)
end)

describe("Values that nest deeply", function()
  after_each(h.finish)

  -- A function in a function takes one slot of Lua's stack on the way, a table in a table several.
  it("go after others that nest as deeply and took less of the stack", function()
    local ex = h.pool(1)
    local function nothing() end
    local f, t = nothing, {}
    for _ = 1, 900 do
      local inner = f
      f = function() return inner end
      t = setmetatable({ [true] = t }, { __name = "a level" })
    end
    for _ = 1, 3 do
      local back_f, back_t = ex:submit(function(...) return ... end, f, t):result()
      for _ = 1, 900 do
        back_f, back_t = back_f(), back_t[true]
      end
      assert.is_nil(back_f())
      assert.is_nil(next(back_t))
    end
  end)
end)
