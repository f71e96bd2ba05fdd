-- Bounded queues: max_queue and on_full.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function double(x) return 2 * x end
local function park(g) gate.wait(g) end

describe("A bounded queue", function()
  after_each(h.finish)

  it("makes a submit wait for a free place", function()
    local ex, g = h.pool { max_workers = 1, max_queue = 1 }, gate.new()
    local other = h.pool(1)
    ex:submit(park, g)
    gate.arrived(g, 1)
    ex:submit(mul, 1, 1)
    local owner = gate.thread_id()
    -- opens the gate once this thread sleeps in the submit below
    other:submit(function()
      gate.asleep(owner)
      gate.add "slept"
      gate.open(g)
    end)
    local f = ex:submit(mul, 6, 7)
    assert.equal(1, gate.get "slept")
    assert.equal(42, f:result())
  end)

  it("makes a submit raise kind full with on_full = 'error'", function()
    local ex, g = h.pool { max_workers = 1, max_queue = 2, on_full = "error" }, gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    local a, b = ex:submit(mul, 1, 2), ex:submit(mul, 3, 4)
    h.raises("full", ex.submit, ex, mul, 1, 1)
    assert.equal(2, ex:stats().queued)
    assert.equal(3, ex:stats().submitted)
    gate.open(g)
    assert.equal(2, a:result())
    assert.equal(12, b:result())
    assert.equal(30, ex:submit(mul, 5, 6):result())
  end)

  it("has a free place again when a queued task is cancelled", function()
    local ex, g = h.pool { max_workers = 1, max_queue = 1, on_full = "error" }, gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    local a = ex:submit(mul, 1, 2)
    assert.is_true(a:cancel())
    assert.equal(0, ex:stats().queued)
    local b = ex:submit(mul, 3, 4)
    gate.open(g)
    assert.equal(12, b:result())
  end)

  it("has a free place again when a queued task is interrupted or a running one stopped", function()
    local ex, g = h.pool { max_workers = 1, max_queue = 1, on_full = "error" }, gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    assert.is_true(ex:submit(mul, 1, 2):interrupt())
    local f = ex:submit(mul, 3, 4)
    h.raises("full", ex.submit, ex, mul, 1, 1)
    gate.open(g)
    assert.equal(12, f:result())
    for _, limits in ipairs { { time_limit = 0.001 }, { memory_limit = 100000 } } do
      for _ = 1, 5 do -- were a place lost each time, there would be none left
        local stopped = ex:with(limits):submit(function()
          local t
          while true do t = { t } end
        end)
        assert.is_false((stopped:pcall()))
        assert.equal(12, ex:submit(mul, 3, 4):result())
      end
    end
  end)

  it("ends a task that waits for a free place, when it is interrupted", function()
    local full, other, g = h.pool { max_workers = 1, max_queue = 1 }, h.pool(1), gate.new()
    full:submit(park, g)
    gate.arrived(g, 1)
    full:submit(mul, 1, 1)
    local id = tidepool.future()
    local f = other:submit(function(ex, fn, id_)
      id_:set_result(gate.thread_id())
      return ex:submit(fn, 1, 1)
    end, full, mul, id)
    gate.asleep(id:result())
    assert.is_true(f:interrupt())
    h.raises("interrupted", f.result, f, 20 * h.slow)
    assert.equal(1, full:stats().queued)
    gate.open(g)
  end)

  it("takes a map that is longer than it", function()
    local ex = h.pool { max_workers = 2, max_queue = 2 }
    local items = {}
    for i = 1, 500 do items[i] = i end
    for _, chunksize in ipairs { 1, 7, "auto" } do
      local n = 0
      for i, y in ex:with({ chunksize = chunksize }):map(double, items) do
        n = n + 1
        assert(i == n and y == 2 * i)
      end
      assert.equal(500, n)
    end
  end)

  it("with on_full = 'error' makes a map too long raise kind full, and cancels the rest", function()
    local ex, g = h.pool { max_workers = 1, max_queue = 2, on_full = "error" }, gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    h.raises("full", ex.map, ex, gate.add, { "ran", "ran", "ran", "ran" })
    assert.equal(0, ex:stats().queued)
    gate.open(g)
    ex:shutdown()
    assert.equal(0, gate.get "ran")
  end)

  it("with on_full = 'error' takes a map whose buffer fits", function()
    local ex = h.pool { max_workers = 1, max_queue = 4, on_full = "error" }
    local view = ex:with { buffersize = 3, chunksize = 1 }
    assert.equal(50, view:map(double, (" "):rep(50):gmatch "()."):collect().n)
  end)

  it("is shut down while it is full", function()
    local ex, g = h.pool { max_workers = 1, max_queue = 1 }, gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    local f = ex:submit(mul, 6, 7)
    ex:shutdown { wait = false }
    h.raises("shutdown", ex.submit, ex, mul, 1, 1)
    gate.open(g)
    assert.equal(42, f:result())
  end)

  it("breaks while a submit waits for a free place", function()
    local g, owner = gate.new(), gate.thread_id()
    local ex = h.pool {
      max_workers = 1,
      max_queue = 1,
      initializer = function()
        gate.wait(g)
        error "error in initializer"
      end,
    }
    local f = ex:submit(mul, 1, 1)
    h.pool(1):submit(function()
      gate.asleep(owner)
      gate.open(g)
    end)
    h.raises("broken", function()
      while true do ex:submit(mul, 1, 1) end
    end)
    assert.equal("broken", f:exception().kind)
  end)
end)
