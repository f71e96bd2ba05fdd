-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local MB = 1000000

local function one() return 1 end
local function hoard()
  local t = {}
  for i = 1, math.huge do t[i] = { i } end
  return t
end

describe("memory_limit of a task", function()
  after_each(h.finish)

  local function bounded(ex, bytes) return (ex or h.pool(1)):with { memory_limit = bytes } end

  it("fails a task that grows past it: tables, strings, coroutines, a deep stack", function()
    local small = bounded(nil, MB)
    local function run(fn, ...)
      local f = small:submit(fn, ...)
      h.raises("memory_limit", f.result, f)
    end
    run(hoard)
    run(string.rep, "x", 2 * MB)
    run(function()
      local list = {}
      while true do list[#list + 1] = coroutine.create(hoard) end
    end)
    run(function()
      local function deeper(n) return n + deeper(n + 1) end
      return deeper(1)
    end)
    run(function()
      local s = "x"
      while true do s = s .. s end
    end)
  end)

  it("does not count garbage", function()
    assert.equal("fine", bounded(nil, MB):submit(function()
      for i = 1, 20000 do local _ = ("x"):rep(1000) .. i end
      return "fine"
    end):result())
  end)

  it("cannot be caught", function()
    local small = bounded(nil, MB)
    for _, fn in ipairs {
      function() return pcall(hoard) end,
      function() while true do pcall(hoard) end end,
      function() return pcall(string.rep, "x", 2 * MB) end,
      function() return coroutine.wrap(function() return pcall(hoard) end)() end,
      function()
        setmetatable({}, { __gc = function() pcall(hoard) end })
        collectgarbage()
        return 1
      end,
    } do
      local f = small:submit(fn)
      h.raises("memory_limit", f.result, f)
    end
  end)

  it("is for arguments and results too", function()
    local big = ("x"):rep(50000)
    local many = {}
    for i = 1, 40 do many[i] = big .. i end
    local f = bounded(nil, MB):submit(one, many)
    h.raises("memory_limit", f.result, f)
  end)

  it("touches no other worker, and not the owner", function()
    local ex, g = h.pool(2), gate.new()
    local other = ex:submit(function(gate_)
      KEPT = ("y"):rep(100)
      gate.wait(gate_)
      local t = {}
      for i = 1, 100000 do t[i] = i end
      return #t .. KEPT
    end, g)
    gate.arrived(g, 1)
    local f = bounded(ex, MB):submit(hoard)
    h.raises("memory_limit", f.result, f)
    gate.open(g)
    assert.equal("100000" .. ("y"):rep(100), other:result())
  end)

  it("replaces a state that the task left full, and keeps one that it did not", function()
    local ex = h.pool(1)
    ex:submit(function() MARK = 1 end):result()
    local f = bounded(ex, MB):submit(hoard)
    h.raises("memory_limit", f.result, f)
    assert.equal(1, ex:submit(function() return MARK end):result())
    f = bounded(ex, MB):submit(function()
      LEFT = {}
      for i = 1, math.huge do LEFT[i] = { i } end
    end)
    h.raises("memory_limit", f.result, f)
    assert.is_nil(ex:submit(function() return MARK end):result())
    assert.equal(1, ex:stats().workers)
  end)

  it("holds for the task that has it only", function()
    local ex = h.pool(1)
    local f = bounded(ex, MB):submit(hoard)
    h.raises("memory_limit", f.result, f)
    assert.equal(2 * MB, ex:submit(function(n) return #("x"):rep(n) end, 2 * MB):result())
  end)

  it("must be an integer >= 1", function()
    for _, bad in ipairs { 0, -1, 1.5, "1" } do
      h.fails("option 'memory_limit': integer >= 1 expected", tidepool.executor,
        { memory_limit = bad })
    end
  end)
end)

describe("memory_limit of an executor", function()
  after_each(h.finish)

  it("bounds what a worker's state holds, all tasks together", function()
    local ex = h.pool { max_workers = 1, memory_limit = MB }
    local function keep(n) KEEP = (KEEP or "") .. ("x"):rep(n) return #KEEP end
    assert.equal(200000, ex:submit(keep, 200000):result())
    local f = ex:submit(keep, 700000)
    h.raises("memory_limit", f.result, f)
    f = ex:submit(hoard)
    h.raises("memory_limit", f.result, f)
    assert.equal(1, ex:submit(one):result())
  end)

  it("that a new state exceeds breaks the executor", function()
    local ex = h.pool { max_workers = 1, memory_limit = 1000 }
    local f = ex:submit(one)
    local err = h.raises("broken", f.result, f)
    assert.matches("memory_limit", err.message)
  end)
end)

describe("isolation = 'task'", function()
  after_each(h.finish)

  it("lets nothing through to the next task", function()
    local ex = h.pool { max_workers = 1, isolation = "task" }
    local function mess()
      GLOBAL = 1
      package.loaded.mine = true
      string.mine = true
      getmetatable("").__index = function() return "mess" end
      debug.setmetatable(1, { __call = one })
      collectgarbage "stop"
      debug.sethook(function() end, "l")
      print = nil
      return true
    end
    local function inspect()
      return GLOBAL, package.loaded.mine, string.mine, ("x").nothing, debug.getmetatable(1),
        collectgarbage "isrunning", debug.gethook(), type(print)
    end
    for _ = 1, 3 do
      assert.is_true(ex:submit(mess):result())
      assert.same({ nil, nil, nil, nil, nil, true, nil, "function", n = 8 },
        table.pack(ex:submit(inspect):result()))
    end
  end)

  it("runs the initializer for each task", function()
    local function start(n) START = n end
    local function add(x)
      START = START + x
      return START
    end
    local ex = h.pool {
      max_workers = 2, isolation = "task", initializer = start, initargs = { 7 },
    }
    for i, value in ex:with { chunksize = 1 }:map(add, { 1, 2, 3 }) do
      assert.equal(7 + i, value)
    end
  end)

  it("must be one of two words", function()
    h.fails("option 'isolation': one of 'worker', 'task' expected", tidepool.executor,
      { isolation = "all" })
  end)
end)
