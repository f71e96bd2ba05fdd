-- What a task does with hooks, and what it leaves: a stop cannot be evaded. The next task finds
-- hooks, the collector and files as in a new worker.
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

-- Tasks that try to continue for ever. Each opens the gate once it runs.
local evasions = {
  ["debug.sethook again and again"] = function(g)
    gate.open(g)
    pcall(function() while true do debug.sethook() end end)
    while true do debug.sethook() end
  end,
  ["debug.sethook within pcall loops"] = function(g)
    gate.open(g)
    while true do
      pcall(function() while true do debug.sethook() end end)
    end
  end,
  ["a hook function that loops"] = function(g)
    gate.open(g)
    debug.sethook(function() while true do end end, "", 1)
    while true do end
  end,
  ["a hook function that catches errors"] = function(g)
    gate.open(g)
    debug.sethook(function()
      while true do
        pcall(function() while true do end end)
      end
    end, "", 1)
    while true do end
  end,
  ["a hook function that loads in a loop"] = function(g)
    gate.open(g)
    debug.sethook(function()
      while true do
        load(function() while true do end end)
      end
    end, "c")
    gate.open(g)
  end,
  ["a hook that sets itself again"] = function(g)
    local function again() debug.sethook(again, "", 1) end
    gate.open(g)
    again()
    while true do pcall(again) end
  end,
  ["a finalizer that catches errors"] = function(g)
    setmetatable({}, { __gc = function()
      gate.open(g)
      while true do
        pcall(function() while true do debug.sethook() end end)
      end
    end })
    collectgarbage()
    while true do end
  end,
  ["new coroutines, each with little to do"] = function(g)
    gate.open(g)
    while true do
      pcall(function()
        while true do coroutine.wrap(function() for _ = 1, 9000 do end end)() end
      end)
    end
  end,
  ["nested coroutines"] = function(g)
    local function nest(depth)
      for _ = 1, 100 do
        if depth == 0 then
          for _ = 1, 9000 do end
        else
          coroutine.wrap(nest)(depth - 1)
        end
      end
    end
    gate.open(g)
    while true do pcall(nest, 3) end
  end,
  ["hooks of other coroutines"] = function(g)
    local main = coroutine.running()
    gate.open(g)
    while true do
      pcall(function()
        coroutine.wrap(function()
          while true do
            debug.sethook(main)
            debug.sethook(coroutine.running())
          end
        end)()
      end)
    end
  end,
  ["a message handler"] = function(g)
    gate.open(g)
    while true do
      xpcall(function() while true do end end, function()
        while true do debug.sethook() end
      end)
    end
  end,
  ["a stopped collector and C functions"] = function(g)
    collectgarbage "stop"
    gate.open(g)
    while true do
      pcall(string.rep, "x", 10)
      debug.sethook()
    end
  end,
  ["C code that removes the hook"] = function(g)
    gate.open(g)
    while true do
      pcall(function() while true do pcall(gate.unhook) end end)
    end
  end,
  ["C code that removes it in a hook"] = function(g)
    gate.open(g)
    debug.sethook(function()
      while true do pcall(pcall, gate.unhook) end
    end, "", 1)
    while true do pcall(gate.unhook) end
  end,
  ["a generator in a to-be-closed variable"] = function(g)
    local _ <close> = setmetatable({}, { __close = function()
      local next_one = coroutine.wrap(function()
        while true do
          debug.sethook()
          coroutine.yield(1)
        end
      end)
      while true do pcall(next_one) end
    end })
    gate.open(g)
    while true do end
  end,
}

local function spend()
  local t = {}
  pcall(function() while true do t[#t + 1] = { #t } end end)
end

describe("a stop", function()
  after_each(h.finish)

  for name, evade in pairs(evasions) do
    it("is not evaded by " .. name, function()
      local ex, g = h.pool(1), gate.new()
      local f = ex:submit(evade, g)
      gate.wait(g)
      local began = gate.now()
      assert.is_true(f:interrupt())
      h.raises("interrupted", f.result, f, 20 * h.slow)
      assert.is_true(gate.now() - began < 5 * h.slow) -- it is about never
      assert.equal(1, ex:submit(function() return 1 end):result(20 * h.slow))
    end)

    it("at the memory limit is not evaded by " .. name, function()
      local ex, g = h.pool(1), gate.new()
      local f = ex:with { memory_limit = 1000000 }:submit(function(...)
        spend()
        return evade(...)
      end, g)
      h.raises("memory_limit", f.result, f, 20 * h.slow)
      gate.open(g)
    end)
  end

  it("lets a worker with a hook of the task's own keep its state", function()
    local ex = h.pool(1)
    ex:submit(function() MARK = 1 end):result()
    for _, event in ipairs { "l", "c", "r" } do
      local g = gate.new()
      local f = ex:submit(function(gate_, what)
        debug.sethook(function()
          local s = 0
          for i = 1, 100 do s = s + i end
          return s
        end, what)
        gate.open(gate_)
        while true do tostring(0) end
      end, g, event)
      gate.wait(g)
      assert.is_true(f:interrupt())
      h.raises("interrupted", f.result, f, 20 * h.slow)
    end
    local g = gate.new()
    local f = ex:submit(function(gate_)
      debug.sethook(function()
        gate.open(gate_)
        while true do end
      end, "l")
      while true do end
    end, g)
    gate.wait(g)
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f, 20 * h.slow)
    assert.equal(1, ex:submit(function() return MARK end):result())
    assert.is_nil(ex:submit(function() return debug.gethook() end):result())
  end)

  it("is not hastened for code that tidies up with coroutines", function()
    local ex, g = h.pool(1), gate.new()
    local f = ex:submit(function(gate_)
      local _ <close> = setmetatable({}, { __close = function()
        local sum = 0
        for _ = 1, 20 do
          for i in coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i) end end) do
            sum = sum + i
          end
        end
        TIDIED = sum
      end })
      gate.open(gate_)
      while true do end
    end, g)
    gate.wait(g)
    f:interrupt()
    f:wait()
    assert.equal(300, ex:submit(function() return TIDIED end):result())
  end)
end)

describe("after a stop", function()
  after_each(h.finish)

  local stops = {
    interrupt = {}, time_limit = { time_limit = 0.3 * h.slow },
    memory_limit = { memory_limit = 1000000 },
  }
  for name, options in pairs(stops) do
    it("(" .. name .. ") what the task had is collected", function()
      local ex, g = h.pool(1), gate.new()
      local collected = tidepool.array("i64", 1)
      local f = ex:with(options):submit(function(gate_, count)
        local held = {}
        for i = 1, 100 do
          held[i] = setmetatable({}, { __gc = function() count:add(1, 1) end })
        end
        local function keep() return held end
        debug.sethook(keep, "c") -- Lua's library keeps this function
        gate.open(gate_)
        local t = {}
        while #t >= 0 do t[options.memory_limit and #t + 1 or 1] = { #t } end
      end, g, collected)
      gate.wait(g)
      if name == "interrupt" then f:interrupt() end
      f:wait()
      assert.equal(100, collected[1])
    end)
  end

  it("files are closed: no task finds too many open", function()
    local ex = h.pool(1)
    for _ = 1, 40 do
      local f = ex:with { time_limit = 0.005 }:submit(function()
        local t = {}
        for i = 1, 40 do t[i] = assert(io.open "/etc/passwd") end
        while #t > 0 do end
      end)
      h.raises("time_limit", f.result, f, 20 * h.slow)
    end
  end)

  it("finalizers that loop are stopped, too", function()
    local ex, g = h.pool(1), gate.new()
    local f = ex:submit(function(gate_)
      local t = {}
      for i = 1, 50 do
        t[i] = setmetatable({}, { __gc = function()
          while true do pcall(function() while true do end end) end
        end })
      end
      gate.open(gate_)
      while #t > 0 do end
    end, g)
    gate.wait(g)
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f, 20 * h.slow)
    assert.equal(1, ex:submit(function() return 1 end):result())
  end)

  it("finalizers have the time that they need, and the worker keeps its state", function()
    local ex, g = h.pool(1), gate.new()
    local done = tidepool.array("i64", 1)
    ex:submit(function() MARK = 1 end):result()
    local f = ex:submit(function(gate_, count)
      local held = setmetatable({}, { __gc = function()
        local s = 0
        for i = 1, 300000 do s = s + i end -- longer than between two signals
        if s > 0 then count:add(1, 1) end
      end })
      gate.open(gate_)
      while held do end
    end, g, done)
    gate.wait(g)
    f:interrupt()
    f:wait()
    assert.equal(1, done[1])
    assert.equal(1, ex:submit(function() return MARK end):result())
  end)

  it("at the memory limit to-be-closed variables were closed, once", function()
    local ex = h.pool(1)
    local closed = tidepool.array("i64", 3)
    local function task(count)
      local _ <close> = setmetatable({}, { __close = function()
        count:add(1, 1)
        local s = 0
        for i = 1, 1000 do s = s + i end
        count:add(2, s)
      end })
      local _ <close> = setmetatable({}, { __close = function()
        count:add(3, 1)
        while true do end
      end })
      local s = {}
      while #s >= 0 do s[#s + 1] = "x" .. #s end
    end
    local f = ex:with { memory_limit = 2000000 }:submit(task, closed)
    h.raises("memory_limit", f.result, f, 20 * h.slow)
    assert.same({ 1, 1 }, { closed[1], closed[3] })
    closed:fill(0)
    f = ex:with { memory_limit = 2000000 }:submit(function(count)
      local _ <close> = setmetatable({}, { __close = function()
        local s = 0
        for i = 1, 1000 do s = s + i end
        count:add(1, s)
      end })
      local s = ("x"):rep(100000)
      while true do s = s .. s end
    end, closed)
    h.raises("memory_limit", f.result, f, 20 * h.slow)
    assert.equal(500500, closed[1])
  end)
end)

describe("between tasks", function()
  after_each(h.finish)

  -- What a state's collector is set to; setting it to what it is changes nothing.
  local function settings()
    local mode = collectgarbage "incremental"
    if mode == "generational" then collectgarbage "generational" end
    local pause, stepmul = collectgarbage("setpause", 100), collectgarbage("setstepmul", 100)
    return mode, pause, stepmul, collectgarbage "isrunning"
  end

  local changes = {
    stop = function() collectgarbage "stop" end,
    ["stop, by C code"] = function() gate.stopgc() end,
    generational = function() collectgarbage "generational" end,
    ["generational with sizes"] = function() collectgarbage("generational", 50, 300) end,
    ["incremental with sizes"] = function() collectgarbage("incremental", 120, 250, 15) end,
    setpause = function() collectgarbage("setpause", 1000) end,
    setstepmul = function() collectgarbage("setstepmul", 1000) end,
    everything = function()
      collectgarbage "generational"
      collectgarbage("incremental", 1000, 1000, 10)
      collectgarbage "generational"
      collectgarbage "stop"
    end,
    ["everything, within a coroutine, and an error"] = function()
      coroutine.wrap(function()
        collectgarbage "stop"
        collectgarbage("generational", 10, 20)
        error "failed"
      end)()
    end,
  }
  local starts = {
    ["Lua's own"] = false,
    ["the initializer's"] = function()
      collectgarbage("generational", 30, 200)
      collectgarbage("setpause", 140)
      collectgarbage("setstepmul", 240)
      collectgarbage "stop"
    end,
  }
  for start, initializer in pairs(starts) do
    for name, change in pairs(changes) do
      it("the collector's settings are " .. start .. " again after " .. name, function()
        local ex = h.pool { max_workers = 1, initializer = initializer or nil }
        ex:submit(function() MARK = 1 end):result()
        local before = table.pack(ex:submit(settings):result())
        for _, stopped in ipairs { false, true } do
          local f = ex:with { time_limit = stopped and 0.01 or 100 }:submit(function()
            change()
            while stopped do end
          end)
          f:wait()
          f:exception()
          assert.same(before, table.pack(ex:submit(settings):result()))
          assert.equal(1, ex:submit(function() return MARK end):result())
        end
      end)
    end
  end

  it("hooks are none again, also those of coroutines that are left behind", function()
    local ex = h.pool(1)
    ex:submit(function()
      KEPT = coroutine.create(function()
        coroutine.yield()
        local s = 0
        for i = 1, 10 do s = s + i end
        return s
      end)
      coroutine.resume(KEPT)
      debug.sethook(KEPT, error, "l")
      debug.sethook(error, "r")
    end):wait()
    assert.same({ n = 2, nil, nil }, table.pack(ex:submit(function()
      return debug.gethook(), debug.gethook(KEPT)
    end):result()))
    assert.equal(55, ex:submit(function() return select(2, coroutine.resume(KEPT)) end):result())
  end)

  it("hooks that the initializer set stay, with their functions", function()
    local function start()
      CALLS = 0
      debug.sethook(function() CALLS = CALLS + 1 end, "c")
    end
    local ex = h.pool { max_workers = 1, initializer = start }
    local function calls() return CALLS, (select(2, debug.gethook())) end
    local first = ex:submit(calls):result()
    ex:submit(function() debug.sethook(error, "l") end):wait()
    ex:submit(function() debug.sethook() end):wait()
    local later, mask = ex:submit(calls):result()
    assert.equal("c", mask)
    assert.is_true(later > first)
  end)
end)
