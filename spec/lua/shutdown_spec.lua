-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function park(g) gate.wait(g) end

local function minus5to4()
  local t = {}
  for i = -5, 4 do t[#t + 1] = i end
  return t
end

local function check_absolutes(it_)
  assert.same({ 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, n = 10 }, it_:collect())
end

describe("shutdown", function()
  after_each(h.finish)

  it("makes submit and map raise kind shutdown (run after shutdown)", function()
    local ex = h.pool(1)
    ex:shutdown()
    h.raises("shutdown", ex.submit, ex, mul, 2, 5)
    h.raises("shutdown", ex.map, ex, mul, { 2 }, { 5 })
    h.raises("shutdown", function() return ex:with({ priority = 1 }):submit(mul, 2, 5) end)
  end)

  it("may be called again and again", function()
    local ex = h.pool(2)
    ex:submit(mul, 1, 1)
    for _ = 1, 3 do assert.is_true(ex:shutdown()) end
    assert.is_true(ex:shutdown { wait = false })
  end)

  it("runs the backlog first (hang 12364)", function()
    local ex, fs = h.pool(5), {}
    for i = 1, 50 do fs[i] = ex:submit(mul, i, i) end
    ex:shutdown()
    for i = 1, 50 do
      assert.is_true(fs[i]:done())
      assert.equal(i * i, fs[i]:result(0))
    end
  end)

  it("ends the threads (threads terminate)", function()
    local before = gate.threads()
    local ex, g = h.pool(3), gate.new()
    for _ = 1, 3 do ex:submit(park, g) end
    gate.arrived(g, 3)
    assert.equal(3, ex:stats().workers)
    assert.equal(before + 3, gate.threads())
    gate.open(g)
    ex:shutdown()
    assert.equal(0, ex:stats().workers)
    assert.equal(before, gate.threads())
  end)

  it("with cancel_futures cancels what has not started", function()
    local ex, g, fs = h.pool(2), gate.new(), {}
    for i = 1, 50 do fs[i] = ex:submit(park, g) end
    gate.arrived(g, 2)
    ex:shutdown { wait = false, cancel_futures = true }
    local cancelled = 0
    for i = 1, 50 do cancelled = cancelled + (fs[i]:cancelled() and 1 or 0) end
    assert.equal(48, cancelled)
    gate.open(g)
    assert.is_true(ex:shutdown { cancel_futures = true })
    for i = 1, 50 do
      assert.is_true(fs[i]:done())
      assert.is_true(fs[i]:cancelled() or fs[i]:exception() == nil)
    end
  end)

  it("with wait = false returns at once and the queue is finished", function()
    local ex, g = h.pool(1), gate.new()
    local a, b = ex:submit(park, g), ex:submit(mul, 6, 7)
    ex:shutdown { wait = false }
    assert.is_false(b:done())
    h.raises("shutdown", ex.submit, ex, mul, 1, 1)
    gate.open(g)
    a:result()
    assert.equal(42, b:result())
    h.eventually(function() return ex:stats().workers == 0 end, "no workers")
  end)

  it("with wait = false lets a map that was begun be read (shutdown no wait)", function()
    local ex = h.pool(5)
    local it_ = ex:map(math.abs, minus5to4())
    ex:shutdown { wait = false }
    check_absolutes(it_)
  end)

  it("with a timeout returns false if the time passed first", function()
    local ex, g = h.pool(1), gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    assert.is_false(ex:shutdown { timeout = 0.01 })
    assert.is_false(ex:shutdown { timeout = 0 })
    h.raises("shutdown", ex.submit, ex, mul, 1, 1)
    gate.open(g)
    assert.is_true(ex:shutdown { timeout = 60 })
  end)

  it("ends after a submit that is cancelled at once (hang 94440)", function()
    local ex = h.pool(1)
    ex:submit(mul, 1, 1):result()
    ex:submit(mul, 1, 1):cancel()
    assert.is_true(ex:shutdown { timeout = 60 })
  end)

  it("races with a map that was just submitted (12456)", function()
    local ex = h.pool(5)
    ex:map(tostring, { 2, 2, 2, 2, 2, 2 })
    assert.is_true(ex:shutdown())
  end)

  it("of an executor that was never used is immediate", function()
    assert.is_true(h.pool(4):shutdown())
    assert.is_true(h.pool(4):shutdown { wait = false })
  end)

  it("runs the callbacks of what it waited for", function()
    local ex, calls = h.pool(2), 0
    for i = 1, 5 do ex:submit(mul, i, i):add_done_callback(function() calls = calls + 1 end) end
    ex:shutdown()
    assert.equal(5, calls)
  end)

  it("wakes a submit of another state that waits for a free place", function()
    local ex, g = h.pool { max_workers = 1, max_queue = 1 }, gate.new()
    local other = h.pool(1)
    ex:submit(park, g)
    gate.arrived(g, 1)
    ex:submit(mul, 1, 1)
    local f = other:submit(function()
      gate.add("tid", gate.thread_id())
      local ok, err = pcall(ex.submit, ex, mul, 2, 2)
      return ok, ok or err.kind
    end)
    gate.await("tid", 1)
    gate.asleep(gate.get "tid")
    ex:shutdown { wait = false }
    assert.same({ false, "shutdown" }, { f:result() })
    gate.open(g)
  end)

  it("refuses names it does not know and wrong types", function()
    local ex = h.pool(1)
    h.contains("cancel_futures", h.fails("cancel", ex.shutdown, ex, { cancel = true }))
    h.fails("timeout", ex.shutdown, ex, { timeout = "x" })
    h.fails("bad argument #1 to 'shutdown'", ex.shutdown, ex, true)
  end)
end)

describe("shutdown from a task", function()
  after_each(h.finish)

  it("of its own executor raises kind deadlock", function()
    local ex = h.pool(2)
    local f = ex:submit(function() return pcall(ex.shutdown, ex) end)
    local ok, err = f:result()
    assert.is_false(ok)
    assert.equal("deadlock", err.kind)
    assert.equal("deadlock", tidepool.error_kind(err))
    assert.equal(1, ex:submit(mul, 1, 1):result())
  end)

  it("with wait = false is allowed", function()
    local ex = h.pool(2)
    assert.is_nil(ex:submit(function() ex:shutdown { wait = false } end):exception())
    h.raises("shutdown", ex.submit, ex, mul, 1, 1)
  end)

  it("of another executor waits for it", function()
    local ex, other = h.pool(1), h.pool(1)
    local f = other:submit(mul, 6, 7)
    assert.is_true(ex:submit(function() return other:shutdown() end):result())
    assert.equal(42, f:result(0))
  end)
end)

describe("<close>", function()
  after_each(h.finish)

  it("shuts down and waits (context manager shutdown)", function()
    local before = gate.threads()
    local kept
    do
      local ex <close> = tidepool.executor(5)
      kept = ex
      check_absolutes((ex:map(math.abs, minus5to4())))
    end
    assert.equal(before, gate.threads())
    h.raises("shutdown", kept.submit, kept, mul, 1, 1)
  end)

  it("finishes the queue at the end of the block", function()
    local fs = {}
    do
      local ex <close> = tidepool.executor(1)
      for i = 1, 20 do fs[i] = ex:submit(mul, i, i) end
    end
    for i = 1, 20 do assert.equal(i * i, fs[i]:result(0)) end
  end)

  it("cancels what has not started if the block ends by an error", function()
    local g, fs, owner = gate.new(), {}, gate.thread_id()
    local ok, err = pcall(function()
      local ex <close> = tidepool.executor(1)
      for i = 1, 5 do fs[i] = ex:submit(park, g) end
      gate.arrived(g, 1)
      -- opens the gate when the owner sleeps at the end of the block, with the queue cancelled
      h.pool(1):submit(function()
        gate.asleep(owner)
        gate.open(g)
      end)
      error("in the block", 0)
    end)
    assert.same({ false, "in the block" }, { ok, err })
    assert.equal("finished", fs[1]:status())
    for i = 2, 5 do assert.is_true(fs[i]:cancelled()) end
  end)
end)

describe("An executor that is collected without shutdown", function()
  after_each(h.finish)

  it("finishes its queue, then its threads end (del shutdown)", function()
    local before = gate.threads()
    local it_ = tidepool.executor(5):map(math.abs, minus5to4())
    collectgarbage()
    collectgarbage()
    check_absolutes(it_)
    it_ = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    h.eventually(function() return gate.threads() == before end, "threads ended")
  end)

  it("leaves its futures valid", function()
    local g = gate.new()
    local f = tidepool.executor(1):submit(function()
      gate.wait(g)
      return "still here"
    end)
    collectgarbage()
    collectgarbage()
    gate.open(g)
    assert.equal("still here", f:result())
  end)
end)

describe("A script that ends without shutdown", function()
  it("waits for its tasks (interpreter shutdown)", function()
    assert.equal("apple\n", h.runs [[
      local tidepool = require "tidepool"
      local ex = tidepool.executor(5)
      local gate = require "gate"
      ex:submit(function() gate.asleep(gate.getpid()) print "apple" end)
    ]])
  end)

  it("waits also after shutdown { wait = false } (hang 83386)", function()
    assert.equal("apple\n", h.runs [[
      local ex = require "tidepool".executor { max_workers = 3 }
      local gate = require "gate"
      ex:submit(function() gate.asleep(gate.getpid()) print "apple" end)
      ex:shutdown { wait = false }
    ]])
  end)

  it("may cancel what has not started (cancel futures, wait false)", function()
    local out = h.runs [[
      local ex = require "tidepool".executor(1)
      ex:submit(print, "apple")
      ex:shutdown { wait = false, cancel_futures = true }
    ]]
    assert.is_true(out == "apple\n" or out == "")
  end)

  it("refuses a submit while its state closes (submit after interpreter shutdown)", function()
    local out = h.runs [[
      local gate = require "gate"
      local late = setmetatable({}, { __gc = function(self)
        local ok, err = pcall(self.ex.submit, self.ex, print, "late")
        io.stdout:write(ok and "accepted" or tostring(err), "\n")
      end })
      local tidepool = require "tidepool"
      late.ex = tidepool.executor(2)
      _G.keep = late
      late.ex:submit(gate.now):result()
    ]]
    assert.is_true(#out > 0)
  end)
end)
