-- Priorities: strict, first come first served within one; and what a steady stream of urgent tasks
-- does to the others.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function rank() return gate.add "rank" end

-- One of a sequence of urgent tasks: it submits the next one before it ends. So whenever a worker
-- that ran one takes its next task, another one is queued.
local function link(ex, self, left, done)
  gate.add "rank"
  if left == 0 then return done:set_result() end
  ex:with({ priority = 1 }):submit(self, ex, self, left - 1, done)
end

-- Returns an executor whose workers are all parked at a gate, and the gate.
local function parked(workers)
  local ex, g = h.pool(workers), gate.new()
  for _ = 1, workers do ex:submit(gate.wait, g) end
  gate.arrived(g, workers)
  return ex, g
end

describe("Priorities:", function()
  after_each(h.finish)

  for _, workers in ipairs { 1, 2 } do
    local name = "a steady stream of urgent tasks holds up the others until it pauses, %d workers"
    it(name:format(workers), function()
      local LENGTH = 500
      local ex, g = parked(workers)
      local low, default = ex:with({ priority = -1 }):submit(rank), ex:submit(rank)
      local lines = {}
      for i = 1, workers do
        lines[i] = tidepool.future()
        ex:with({ priority = 1 }):submit(link, ex, link, LENGTH - 1, lines[i])
      end
      gate.open(g)
      tidepool.wait(lines)
      -- the sequence that ends first leaves its worker to the others
      assert.is_true(default:result() > LENGTH and low:result() > LENGTH)
      if workers == 1 then assert.equal(LENGTH + 1, default:result()) end
      assert.equal(LENGTH * workers + 2, gate.get "rank")
    end)
  end

  it("a worker that has nothing urgent to do takes what there is", function()
    local ex, g = parked(1)
    local other = gate.new()
    local low = ex:with({ priority = -5 }):submit(rank)
    ex:with({ priority = 5 }):submit(gate.wait, other)
    gate.open(g)
    gate.arrived(other, 1) -- the stream pauses now
    assert.is_true(low:status() == "pending")
    gate.open(other)
    assert.equal(1, low:result())
    -- what is urgent does not stop what runs
    local running = gate.new()
    low = ex:with({ priority = -5 }):submit(gate.wait, running)
    gate.arrived(running, 1)
    local high = ex:with({ priority = 5 }):submit(rank)
    assert.equal("running", low:status())
    assert.equal("pending", high:status())
    gate.open(running)
    assert.equal(2, high:result())
  end)

  it("those that waited may be submitted again, with more urgency", function()
    local ex, g = parked(1)
    local low = ex:with({ priority = -1 }):submit(rank)
    local done = tidepool.future()
    ex:with({ priority = 1 }):submit(link, ex, link, 99, done)
    assert.is_true(low:cancel())
    low = ex:with({ priority = 2 }):submit(rank)
    gate.open(g)
    assert.equal(1, low:result())
    done:result()
  end)

  it("what a task waits for is run in its place, however low it is", function()
    local ex, g = parked(1)
    local f = ex:with({ priority = 1 }):submit(function(ex_)
      return ex_:with({ priority = -10 }):submit(rank):result()
    end, ex)
    local between = ex:submit(rank)
    gate.open(g)
    assert.equal(1, f:result())
    assert.equal(2, between:result())
  end)

  it("an executor of its own is out of reach of the stream", function()
    local ex, g = parked(1)
    local other, done = h.pool(1), tidepool.future()
    ex:with({ priority = 1 }):submit(link, ex, link, 99, done)
    assert.equal(1, other:submit(rank):result()) -- while the other one's worker is parked
    gate.open(g)
    done:result()
    assert.equal(101, gate.get "rank")
  end)
end)
