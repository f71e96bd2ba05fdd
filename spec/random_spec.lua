-- math.random in workers: where it begins.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"

-- So large that two of them are never equal by chance.
local function draw() return math.random(0) end

local function assert_distinct(list)
  for value, n in pairs(h.set(list)) do assert.equal(1, n, value) end
end

local function range(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

describe("math.random in a new state", function()
  after_each(h.finish)

  it("begins somewhere else in each, made for a task or one after the other", function()
    local drawn = {}
    for _, options in ipairs {
      { max_workers = 2, isolation = "task" },
      { max_workers = 1, isolation = "task" },
      { max_workers = 1, max_tasks_per_worker = 1 },
    } do
      for _, value in ipairs(h.pool(options):map(draw, range(20)):collect()) do
        drawn[#drawn + 1] = value
      end
    end
    for _ = 1, 10 do
      local ex <close> = h.pool(1)
      drawn[#drawn + 1] = ex:submit(draw):result()
    end
    drawn[#drawn + 1] = draw()
    assert.equal(71, #drawn)
    assert_distinct(drawn)
  end)

  it("also in states of one moment, and in those of tasks that others wait for", function()
    local ex, g = h.pool(8), gate.new()
    local fs, drawn = {}, {}
    for i = 1, 8 do
      fs[i] = ex:submit(function(ex_, g_, draw_)
        gate.wait(g_)
        return draw_(), ex_:submit(draw_):result()
      end, ex, g, draw)
    end
    gate.arrived(g, 8)
    gate.open(g)
    for _, f in ipairs(fs) do
      local a, b = f:result()
      drawn[#drawn + 1], drawn[#drawn + 2] = a, b
    end
    assert_distinct(drawn)
  end)

  it("begins where an initializer says", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 1,
      initializer = function() math.randomseed(7) end }
    local a, b = ex:submit(draw):result(), ex:submit(draw):result()
    assert.equal(a, b)
  end)
end)
