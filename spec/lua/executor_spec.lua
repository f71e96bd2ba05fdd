-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function park(g) gate.wait(g) end

describe("An executor", function()
  after_each(h.finish)

  it("runs a submitted function with its arguments", function()
    assert.equal(256, h.pool(2):submit(mul, 16, 16):result())
    assert.equal(256.0, h.pool(2):submit(function(x, y) return x ^ y end, 2, 8):result())
  end)

  it("passes all arguments and gives all results, trailing nils counted", function()
    local f = h.pool(1):submit(function(...) return select("#", ...), ... end, nil, 2, nil, nil)
    local r = table.pack(f:result())
    assert.equal(5, r.n)
    assert.equal(4, r[1])
    assert.is_nil(r[2])
    assert.equal(2, r[3])
    assert.equal(0, select("#", h.pool(1):submit(function() end):result()))
  end)

  it("runs C functions", function()
    assert.equal("abab", h.pool(1):submit(string.rep, "ab", 2):result())
  end)

  it("runs functions named by module and function", function()
    local ex = h.pool(1)
    assert.equal("abab", ex:submit("string.rep", "ab", 2):result())
    assert.equal(42, ex:submit("spec.support.sample.double", 21):result())
  end)

  it("never runs the function in the owner's state", function()
    local here = gate.thread_id()
    assert.are_not.equal(here, h.pool(1):submit(function() return gate.thread_id() end):result())
    local touched = false
    assert.is_true(h.pool(1):submit(function()
      touched = true
      return touched
    end):result())
    assert.is_false(touched)
  end)

  it("runs submitted functions at the same time", function()
    local ex, g = h.pool(3), gate.new()
    for _ = 1, 3 do ex:submit(park, g) end
    gate.arrived(g, 3)
    assert.equal(3, ex:stats().running)
    gate.open(g)
  end)

  it("runs no more than max_workers at a time (saturation)", function()
    local ex, g = h.pool(4), gate.new()
    for _ = 1, 60 do ex:submit(park, g) end
    gate.arrived(g, 4)
    local s = ex:stats()
    assert.equal(4, s.workers)
    assert.equal(4, s.running)
    assert.equal(56, s.queued)
    assert.equal(4, gate.parked(g))
    gate.open(g)
    ex:shutdown()
    assert.equal(60, ex:stats().finished)
  end)

  it("starts threads on demand only", function()
    local before = gate.threads()
    local ex, g = h.pool(8), gate.new()
    assert.equal(before, gate.threads())
    assert.equal(0, ex:stats().workers)
    ex:submit(park, g)
    gate.arrived(g, 1)
    assert.equal(1, ex:stats().workers)
    ex:submit(park, g)
    gate.arrived(g, 2)
    assert.equal(2, ex:stats().workers)
    gate.open(g)
  end)

  it("reuses an idle thread", function()
    local ex = h.pool(8)
    for i = 1, 5 do
      assert.equal(2 * i, ex:submit(mul, 2, i):result())
      h.eventually(function() return ex:stats().idle == 1 end, "an idle worker")
    end
    assert.equal(1, ex:stats().workers)
  end)

  it("refuses options of map for a submit, and the module as options", function()
    local ex = h.pool(1)
    for name, value in pairs { timeout = 1, chunksize = 2, buffersize = 2, ordered = false } do
      h.fails(("option '%s' is for map"):format(name), function()
        return ex:with({ [name] = value }):submit(print)
      end)
    end
    h.fails("call it with '.'", function() return tidepool:executor(3) end)
  end)

  it("starts two threads for two submits in a row with one idle worker between them", function()
    local ex, g = h.pool(8), gate.new()
    ex:submit(mul, 1, 1):result()
    h.eventually(function() return ex:stats().idle == 1 end, "an idle worker")
    ex:submit(park, g)
    ex:submit(park, g)
    gate.arrived(g, 2)
    assert.equal(2, ex:stats().workers)
    gate.open(g)
  end)

  it("does not keep what was sent alive after the task (no stale references)", function()
    local ex = h.pool(1)
    local value = setmetatable({}, { __mode = "k" })
    value[{}] = "x"
    local f = ex:submit(function(t) return type(t) end, value)
    assert.equal("table", f:result())
    local left = ex:submit(function()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end):result()
    local big = ("x"):rep(8 * 1024 * 1024)
    assert.equal(#big, ex:submit(function(s) return #s end, big):result())
    local now = ex:submit(function()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end):result()
    assert.is_true(now < left + 1024, ("%.0f KiB, then %.0f KiB"):format(left, now))
  end)

  it("counts in stats what it did", function()
    local ex, g = h.pool(1), gate.new()
    local failed = ex:submit(error, "on purpose")
    failed:wait()
    failed:exception()
    ex:submit(park, g)
    gate.arrived(g, 1)
    local waiting = ex:submit(mul, 1, 1)
    local dropped = ex:submit(mul, 1, 1)
    assert.is_true(dropped:cancel())
    local s = ex:stats()
    assert.equal(1, s.max_workers)
    assert.equal(1, s.workers)
    assert.equal(0, s.idle)
    assert.equal(1, s.queued)
    assert.equal(1, s.running)
    assert.equal(4, s.submitted)
    assert.equal(1, s.cancelled)
    gate.open(g)
    waiting:result()
    ex:shutdown()
    s = ex:stats()
    assert.same({ 0, 0, 0, 0, 4, 3, 1, 1 }, { s.workers, s.idle, s.queued, s.running,
      s.submitted, s.finished, s.failed, s.cancelled })
  end)

  it("tells itself apart in tostring", function()
    local a, b = h.pool { max_workers = 1, thread_name_prefix = "mine" }, h.pool(1)
    assert.are_not.equal(tostring(a), tostring(b))
    h.contains("executor", tostring(a))
  end)

  it("is closed by <close>, which waits for everything", function()
    local g = gate.new()
    local f
    do
      local ex <close> = tidepool.executor(2)
      f = ex:submit(function()
        gate.wait(g)
        return "done"
      end)
      gate.arrived(g, 1)
      gate.open(g)
    end
    assert.is_true(f:done())
    assert.equal("done", f:result())
  end)
end)

describe("Executor options", function()
  after_each(h.finish)

  it("may be the number of workers alone", function()
    assert.equal(3, h.pool(3):stats().max_workers)
    assert.equal(3, h.pool({ max_workers = 3 }):stats().max_workers)
  end)

  it("default to min(32, cpu_count() + 4) workers", function()
    local expected = math.min(32, tidepool.cpu_count() + 4)
    assert.equal(expected, h.pool():stats().max_workers)
    assert.equal(expected, h.pool({}):stats().max_workers)
  end)

  it("refuse max_workers below 1 or not an integer", function()
    for _, n in ipairs { 0, -1, 1.5, "x", true } do
      h.fails("max_workers", tidepool.executor, { max_workers = n })
    end
    for _, n in ipairs { 0, -1, 1.5, "x", true } do
      h.fails("bad argument #1 to 'executor'", tidepool.executor, n)
    end
  end)

  it("refuse names they do not know, and list those they know", function()
    for _, name in ipairs { "demon", "time_limits", "max_worker" } do
      local message = h.fails(name, tidepool.executor, { [name] = 1 })
      for _, known in ipairs { "max_workers", "thread_name_prefix", "initializer", "initargs",
        "max_tasks_per_worker", "idle_timeout", "max_queue", "on_full",
        "spin_time", "time_limit", "memory_limit", "isolation", "daemon", "interrupt_signal" } do
        h.contains(known, message)
      end
    end
  end)

  it("refuse values of the wrong type, naming the option", function()
    for name, value in pairs {
      thread_name_prefix = {}, initializer = 1, initargs = "x", max_tasks_per_worker = 0,
      idle_timeout = "soon", max_queue = -1, on_full = "drop",
      spin_time = 0.01,
    } do
      h.fails(name, tidepool.executor, { [name] = value })
    end
  end)

  it("give the same results with any spin_time, and use no processor while idle", function()
    for _, seconds in ipairs { 0, 0.00001, 0.001 } do
      local ex = h.pool { max_workers = 2, spin_time = seconds }
      for i = 1, 200 do assert.equal(i, ex:submit(function(x) return x end, i):result()) end
      for _, f in ipairs { math.huge, -0.001, 0 / 0, 0.0011, "0", true } do
        h.fails("spin_time", tidepool.executor, { spin_time = f })
      end
      for i, x in ex:map(function(x) return x end, { 5, 6, 7 }) do assert.equal(i + 4, x) end
    end
    local ex, g = h.pool { max_workers = 4, spin_time = 0.001 }, gate.new()
    local before = os.clock()
    local parked = ex:submit(gate.wait, g)
    assert.is_false(parked:wait(0.3)) -- one worker is parked, and this state sleeps
    assert.is_true(os.clock() - before < 0.1 * h.slow)
    gate.open(g)
    parked:result()
  end)

  it("name the threads PREFIX_0, PREFIX_1, …", function()
    local ex, g = h.pool { max_workers = 3, thread_name_prefix = "special" }, gate.new()
    local fs = {}
    for i = 1, 3 do
      fs[i] = ex:submit(function()
        gate.wait(g)
        return gate.thread_name()
      end)
    end
    gate.arrived(g, 3)
    gate.open(g)
    local names = {}
    for i, f in ipairs(fs) do names[i] = f:result() end
    table.sort(names)
    assert.same({ "special_0", "special_1", "special_2" }, names)
  end)

  it("name the threads tidepool-N_I by default, N being the executor's own", function()
    local one = h.pool(1):submit(gate.thread_name):result()
    local two = h.pool(1):submit(gate.thread_name):result()
    assert.matches("^tidepool%-%d+_0$", one)
    assert.matches("^tidepool%-%d+_0$", two)
    assert.are_not.equal(one, two)
  end)

  it("cut a long thread name to what the system allows", function()
    local ex = h.pool { max_workers = 1, thread_name_prefix = ("long"):rep(20) }
    local name = ex:submit(gate.thread_name):result()
    assert.is_true(#name <= 15)
    assert.equal("long", name:sub(1, 4))
  end)

  it("replace a worker's state after max_tasks_per_worker tasks", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 2 }
    local seen = {}
    for i = 1, 6 do
      seen[i] = ex:submit(function()
        _G.runs = (_G.runs or 0) + 1
        return _G.runs
      end):result()
    end
    assert.same({ 1, 2, 1, 2, 1, 2 }, seen)
  end)

  it("run the initializer in each state that replaces another", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 1,
      initializer = function() gate.add("initialized") end }
    for _ = 1, 3 do ex:submit(mul, 1, 1):result() end
    ex:shutdown()
    assert.is_true(gate.get "initialized" >= 3)
  end)

  it("end idle threads after idle_timeout, which come back on demand", function()
    local ex = h.pool { max_workers = 2, idle_timeout = 0.01 }
    assert.equal(6, ex:submit(mul, 2, 3):result())
    h.eventually(function() return ex:stats().workers == 0 end, "no worker left")
    assert.equal(8, ex:submit(mul, 2, 4):result())
  end)

  it("keep idle threads for good without idle_timeout", function()
    local ex = h.pool(1)
    local id = ex:submit(gate.thread_id):result()
    assert.equal(id, ex:submit(gate.thread_id):result())
  end)
end)

describe("submit", function()
  after_each(h.finish)

  it("refuses what is no function", function()
    local ex = h.pool(1)
    h.fails("bad argument #1 to 'submit'", ex.submit, ex)
    h.fails("bad argument #1 to 'submit'", ex.submit, ex, 42)
    h.fails("bad argument #1 to 'submit'", ex.submit, ex, {})
    assert.equal(0, ex:stats().submitted)
  end)

  it("refuses what is no executor", function()
    local ex = h.pool(1)
    assert.has_error(function() ex.submit({}, mul) end)
    assert.has_error(function() ex.submit() end)
  end)
end)

describe("ex:with", function()
  after_each(h.finish)

  -- One worker that is busy until the gate opens, so that the queue's order can be seen.
  local function busy()
    local ex, g = h.pool(1), gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    return ex, g
  end

  local function rank() return gate.add "rank" end

  it("takes a higher priority first, in order of submission within one", function()
    local ex, g = busy()
    local fs = {}
    for i, p in ipairs { 0, -1, 5, 0, 5, -1 } do fs[i] = ex:with({ priority = p }):submit(rank) end
    fs[7] = ex:submit(rank)
    gate.open(g)
    local order = {}
    for i, f in ipairs(fs) do order[i] = f:result() end
    assert.same({ 3, 6, 1, 4, 2, 7, 5 }, order)
  end)

  it("gives the task a name that it can read", function()
    local ex = h.pool(1)
    local function name()
      local current = require "tidepool".current_task()
      return current.name
    end
    assert.equal("count words", ex:with({ name = "count words" }):submit(name):result())
  end)

  it("is a view that can be kept and leaves the executor as it was", function()
    local ex, g = busy()
    local first = ex:with { priority = 1 }
    local b = ex:submit(rank)
    local a1, a2 = first:submit(rank), first:submit(rank)
    gate.open(g)
    assert.same({ 1, 2, 3 }, { a1:result(), a2:result(), b:result() })
  end)

  it("refuses names it does not know", function()
    local ex = h.pool(1)
    for _, name in ipairs { "isolation", "daemon", "prio" } do
      h.contains("priority", h.fails(name, ex.with, ex, { [name] = 1 }))
    end
  end)

  it("refuses values of the wrong type", function()
    local ex = h.pool(1)
    for name, value in pairs { priority = "high", name = {}, timeout = "x", chunksize = 0,
      buffersize = 0, ordered = 1 } do
      h.fails(name, ex.with, ex, { [name] = value })
    end
  end)
end)

describe("ex:poll", function()
  after_each(h.finish)

  it("runs the callbacks of futures that are done and returns their number", function()
    local ex, g = h.pool(3), gate.new()
    local calls = 0
    local function count() calls = calls + 1 end
    assert.equal(0, ex:poll())
    local fs = {}
    for i = 1, 3 do
      fs[i] = ex:submit(park, g)
      fs[i]:add_done_callback(count)
    end
    gate.open(g)
    h.eventually(function() return fs[1]:done() and fs[2]:done() and fs[3]:done() end, "done")
    assert.equal(0, calls)
    assert.equal(3, ex:poll())
    assert.equal(3, calls)
    assert.equal(0, ex:poll())
  end)
end)
