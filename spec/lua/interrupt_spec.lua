-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function one() return 1 end

-- Loops that only a stop ends. Each opens the gate once it runs.
local loops = {
  ["a bare loop"] = function(g)
    gate.open(g)
    while true do end
  end,
  ["a loop around pcall"] = function(g)
    gate.open(g)
    while true do
      pcall(function() while true do end end)
    end
  end,
  ["pcall of pcall"] = function(g)
    gate.open(g)
    while true do pcall(pcall, pcall, function() while true do end end) end
  end,
  ["nested coroutines, wrap"] = function(g)
    local wrap = coroutine.wrap
    wrap(function()
      wrap(function()
        gate.open(g)
        while true do end
      end)()
    end)()
  end,
  ["coroutines that catch errors, resume"] = function(g)
    local function inner()
      gate.open(g)
      while true do
        pcall(function() while true do end end)
      end
    end
    while true do
      local co = coroutine.create(function()
        while true do coroutine.resume(coroutine.create(inner)) end
      end)
      coroutine.resume(co)
    end
  end,
  ["a generator that yields"] = function(g)
    local next_one = coroutine.wrap(function()
      while true do coroutine.yield(1) end
    end)
    gate.open(g)
    while true do next_one() end
  end,
  ["a to-be-closed variable of a coroutine that is closed"] = function(g)
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        gate.open(g)
        while true do end
      end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
    while true do end
  end,
  ["callbacks of string.gsub"] = function(g)
    gate.open(g)
    local s = ("x"):rep(1000)
    while true do
      s:gsub(".", function()
        for _ = 1, 10 do pcall(error) end
      end)
    end
  end,
  ["callbacks of table.sort"] = function(g)
    gate.open(g)
    while true do
      local t = {}
      for i = 1, 1000 do t[i] = i * 7919 % 1000 end
      table.sort(t, function(a, b) return a < b end)
    end
  end,
  ["an allocation loop"] = function(g)
    gate.open(g)
    local t = {}
    while true do t[#t % 1000 + 1] = { ("x"):rep(100) } end
  end,
  ["a finalizer"] = function(g)
    setmetatable({}, { __gc = function()
      gate.open(g)
      while true do end
    end })
    collectgarbage()
    while true do end
  end,
  ["many finalizers"] = function(g)
    gate.open(g)
    while true do
      setmetatable({}, { __gc = function()
        while true do pcall(error) end
      end })
    end
  end,
  ["a to-be-closed variable"] = function(g)
    local _ <close> = setmetatable({}, { __close = function()
      gate.open(g)
      while true do
        pcall(function() while true do end end)
      end
    end })
  end,
  ["a message handler"] = function(g)
    while true do
      xpcall(error, function()
        gate.open(g)
        while true do end
      end)
    end
  end,
  ["an error's __tostring"] = function(g)
    error(setmetatable({}, { __tostring = function()
      gate.open(g)
      while true do end
    end }))
  end,
  ["a result's __transfer"] = function(g)
    local userdata_like = setmetatable({}, { __transfer = function()
      gate.open(g)
      while true do end
    end })
    return userdata_like
  end,
}

local function starts(loop)
  local ex, g = h.pool(1), gate.new()
  local f = ex:submit(loop, g)
  gate.wait(g)
  return ex, f
end

describe("interrupt", function()
  after_each(h.finish)

  for name, loop in pairs(loops) do
    it("stops " .. name, function()
      local ex, f = starts(loop)
      local began = gate.now()
      assert.is_true(f:interrupt())
      assert.is_true(f:interrupt()) -- it is known already, or done so
      h.raises("interrupted", f.result, f, 20 * h.slow)
      -- the limit is 50 ms; this tells it from never on a loaded machine
      assert.is_true(gate.now() - began < 5 * h.slow)
      assert.equal("finished", f:status())
      assert.is_true(f:interrupt())
      assert.equal(1, ex:submit(one):result(20 * h.slow))
    end)
  end

  it("cancels what has not started", function()
    local ex, g = h.pool(1), gate.new()
    ex:submit(gate.wait, g)
    gate.arrived(g, 1)
    local f = ex:submit(one)
    assert.is_true(f:interrupt())
    assert.equal("cancelled", f:status())
    gate.open(g)
  end)

  it("says false of a task that ended by itself, and changes nothing", function()
    local f = h.pool(1):submit(one)
    assert.equal(1, f:result())
    assert.is_false(f:interrupt())
    assert.equal(1, f:result())
  end)

  it("is like cancel for a promise", function()
    local p = tidepool.future()
    assert.is_true(p:interrupt())
    assert.is_true(p:cancelled())
    p = tidepool.future()
    p:set_running_or_notify_cancel()
    assert.is_false(p:interrupt())
    p:set_result(3)
    assert.equal(3, p:result())
  end)

  it("is not held up by a task that catches it and returns", function()
    local _, f = starts(function(g)
      pcall(function()
        gate.open(g)
        while true do end
      end)
      return "went on"
    end)
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f)
  end)

  it("leaves time to tidy up: to-be-closed variables and handlers run", function()
    local ex, f = starts(function(g)
      local _ <close> = setmetatable({}, { __close = function(_, err)
        local sum = 0
        for i = 1, 1000 do sum = sum + i end
        TIDIED = sum
        KIND = require "tidepool".error_kind(err)
      end })
      gate.open(g)
      while true do end
    end)
    f:interrupt()
    f:wait()
    local sum, kind = ex:submit(function() return TIDIED, KIND end):result()
    assert.equal(500500, sum)
    assert.equal("interrupted", kind)
  end)

  it("is seen by C loops through current_task():interrupted()", function()
    local g = gate.new()
    local f = h.pool(1):submit(function(gate_)
      local task = require "tidepool".current_task()
      assert(task:interrupted() == false)
      gate.open(gate_)
      while not task:interrupted() do gate.pause() end
      return "seen"
    end, g)
    gate.wait(g)
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f)
    assert.is_nil(tidepool.current_task())
  end)

  it("ends a wait inside a task", function()
    local ex, g = h.pool(2), gate.new()
    local f = ex:submit(function(gate_, never)
      gate.open(gate_)
      return never:result()
    end, g, tidepool.future())
    gate.wait(g)
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f, 20 * h.slow)
  end)

  it("ends a task that waits again and again", function()
    local ex, g = h.pool(1), gate.new()
    local f = ex:submit(function(gate_, never)
      gate.open(gate_)
      while true do pcall(never.result, never) end
    end, g, tidepool.future())
    gate.wait(g)
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f, 5 * h.slow) -- it would be a minute if each wait slept
  end)

  it("gives the traceback of where it was stopped", function()
    local _, f = starts(function(g)
      local function innermost()
        gate.open(g)
        while true do end
      end
      innermost()
    end)
    f:interrupt()
    f:wait()
    assert.matches("innermost", f:traceback())
  end)

  it("reaches a task through a future that was sent", function()
    local ex, f = starts(loops["a bare loop"])
    local other = h.pool(1)
    assert.is_true(other:submit(function(future) return future:interrupt() end, f):result())
    h.raises("interrupted", f.result, f)
    assert.equal(1, ex:submit(one):result())
  end)

  it("does not hook what a later task resumes", function()
    local ex, f = starts(function(g)
      KEPT = coroutine.create(function()
        pcall(function()
          gate.open(g)
          while true do end
        end)
        coroutine.yield "kept" -- in the time to tidy up
        local sum = 0
        for i = 1, 100000 do sum = sum + i end
        return sum
      end)
      coroutine.resume(KEPT)
    end)
    f:interrupt()
    f:wait()
    assert.equal(5000050000, ex:submit(function()
      return select(2, assert(coroutine.resume(KEPT)))
    end):result())
  end)

  it("of one task never hits another, in 100,000 races with the ends of tasks", function()
    local rounds = 100000 // (h.sanitized and 10 or 1) * h.stress
    local seed = h.seed "interrupt races"
    local ex = h.pool(2)
    local function work(n)
      local sum = 0
      for i = 1, n do sum = sum + i end
      return sum
    end
    local stopped, ended, cancelled = 0, 0, 0
    local futures = {}
    local most = 2000 * h.slow -- longer or shorter until both ends of the race have been seen
    for i = 1, rounds do
      local n = math.random(0, most)
      local victim = ex:submit(work, n)
      local small = i % 500
      local bystander = ex:submit(work, small)
      for _ = 1, math.random(0, 600) do end
      local hit = victim:interrupt()
      futures[#futures + 1] = { victim, bystander, hit, n, small }
      if #futures == 50 or i == rounds then
        for _, r in ipairs(futures) do
          local ok, value = r[1]:pcall()
          if r[3] then
            assert(not ok, "stopped, and ended with a value")
            local kind = tidepool.error_kind(value)
            if kind == "interrupted" then
              stopped = stopped + 1
            else
              assert.equal("cancelled", kind)
              cancelled = cancelled + 1
            end
          else
            assert.equal(r[4] * (r[4] + 1) // 2, value)
            ended = ended + 1
          end
          assert.equal(r[5] * (r[5] + 1) // 2, r[2]:result())
        end
        futures = {}
        if stopped == 0 then
          most = math.min(most * 2, 1 << 24)
        elseif ended == 0 then
          most = most // 2
        end
      end
    end
    assert.equal(rounds, stopped + ended + cancelled)
    assert(stopped > 0 and ended > 0,
      ("one-sided: %d stopped, %d ended, seed %d"):format(stopped, ended, seed))
  end)
end)

describe("time_limit", function()
  after_each(h.finish)

  it("is a stop like another to a later interrupt", function()
    local f = h.pool(1):with { time_limit = 0.01 }:submit(function() while true do end end)
    h.raises("time_limit", f.result, f, 20 * h.slow)
    assert.is_true(f:interrupt())
    h.raises("time_limit", f.result, f)
  end)

  it("of the executor is every task's", function()
    local ex = h.pool { max_workers = 2, time_limit = 0.05 }
    local f, g = ex:submit(function() while true do end end), ex:submit(one)
    h.raises("time_limit", f.result, f, 20 * h.slow)
    assert.equal(1, g:result())
  end)

  it("of a view takes precedence", function()
    local ex = h.pool { max_workers = 1, time_limit = 0.02 }
    assert.equal(3, ex:with { time_limit = 100 }:submit(function()
      local until_ = os.clock() + 0.05
      while os.clock() < until_ do end
      return 3
    end):result())
    ex = h.pool(1)
    local f = ex:with { time_limit = 0.02 }:submit(function()
      while true do pcall(function() while true do end end) end
    end)
    h.raises("time_limit", f.result, f, 20 * h.slow)
  end)

  it("counts from when a task starts", function()
    local ex, g = h.pool { max_workers = 1, time_limit = 60 }, gate.new()
    ex:submit(gate.wait, g)
    gate.arrived(g, 1)
    local f = ex:with { time_limit = 0.05 }:submit(one)
    local until_ = gate.now() + 0.1
    while gate.now() < until_ do gate.pause() end
    gate.open(g)
    assert.equal(1, f:result())
  end)

  it("is for each item of a map", function()
    local ex = h.pool { max_workers = 2 }
    local function maybe(x)
      while x == 3 do end
      return x
    end
    local got = {}
    local step = ex:with { time_limit = 0.05 * h.slow }:map(maybe, { 1, 2, 3, 4, 5 })
    for i = 1, 5 do
      local ok, _, value = pcall(step)
      got[i] = ok and value or tidepool.error_kind(_)
    end
    assert.same({ 1, 2, "time_limit", 4, 5 }, got)
  end)

  it("must be a number of seconds above 0", function()
    for _, bad in ipairs { 0, -1, "1", 0 / 0 } do
      h.fails("option 'time_limit': number of seconds > 0 expected", tidepool.executor,
        { time_limit = bad })
      h.fails("option 'time_limit'", function() return h.pool(1):with { time_limit = bad } end)
    end
  end)
end)

describe("shutdown{interrupt = true}", function()
  after_each(h.finish)

  it("cancels what is queued and stops what runs", function()
    local ex, gates, fs = h.pool(2), {}, {}
    for i = 1, 2 do
      gates[i] = gate.new()
      fs[i] = ex:submit(loops["a loop around pcall"], gates[i])
    end
    for i = 1, 2 do gate.wait(gates[i]) end
    local queued = ex:submit(one)
    assert.is_true(ex:shutdown { interrupt = true })
    for i = 1, 2 do h.raises("interrupted", fs[i].result, fs[i]) end
    assert.equal("cancelled", queued:status())
  end)

  it("stops an initializer that loops", function()
    local g = gate.new()
    local ex = h.pool { max_workers = 1, initializer = loops["a bare loop"], initargs = { g } }
    local f = ex:submit(one)
    gate.wait(g)
    assert.is_true(ex:shutdown { interrupt = true })
    assert.is_true(f:done())
  end)

  it("stops finalizers that loop while a state is closed", function()
    local ex = h.pool(1)
    ex:submit(function()
      for i = 1, 300 do
        _G["left" .. i] = setmetatable({}, { __gc = function() while true do end end })
      end
    end):result()
    assert.is_true(ex:shutdown { interrupt = true })
  end)
end)

describe("daemon", function()
  after_each(h.finish)

  it("does not keep a script from ending", function()
    local out = h.runs [[
      local tidepool = require "tidepool"
      local ex = tidepool.executor { max_workers = 1, daemon = true }
      local f = ex:submit(function() while true do pcall(function() while true do end end) end end)
      local pending = ex:submit(print, "never")
      while not f:running() do end
      print "end of script"
    ]]
    assert.equal("end of script\n", out)
  end)
end)

describe("the signal", function()
  after_each(h.finish)

  it("can be chosen, and is refused if there is no such signal", function()
    local ex = h.pool { max_workers = 1, interrupt_signal = 12 } -- SIGUSR2
    local g = gate.new()
    local f = ex:submit(loops["a bare loop"], g)
    gate.wait(g)
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f)
  end)

  it("is refused if faults, the system or the user send it, or it cannot be sent", function()
    for signal, why in pairs {
      [11] = "faults of the program raise it", [7] = "faults of the program raise it",
      [8] = "faults", [4] = "faults", [6] = "faults", [5] = "faults", [31] = "faults",
      [9] = "no program can handle it", [19] = "no program can handle it",
      [2] = "asked to end", [15] = "asked to end", [18] = "stops or continues",
      [13] = "the system sends it", [17] = "the system sends it", [14] = "the system sends it",
      [32] = "no such signal, or the C library has it", [33] = "no such signal",
    } do
      local err = h.fails("option 'interrupt_signal'", tidepool.executor,
        { interrupt_signal = signal })
      h.contains(why, err)
    end
    h.fails("option 'interrupt_signal': integer from -1 to 64", tidepool.executor,
      { interrupt_signal = 65 })
  end)

  it("-1 is none: nothing that runs is stopped, and limits of time are refused", function()
    local ex, g = h.pool { max_workers = 1, interrupt_signal = -1 }, gate.new()
    local f = ex:submit(function(gate_)
      local task = require "tidepool".current_task()
      gate.open(gate_)
      while not task:interrupted() do gate.pause() end
      return "ended by itself"
    end, g)
    gate.wait(g)
    assert.is_false(f:interrupt()) -- it is requested, and may check that, but no signal reaches it
    h.raises("interrupted", f.result, f)
    assert.is_true(f:interrupt())
    assert.has_error(function() ex:with { time_limit = 1 }:submit(one) end)
  end)
end)
