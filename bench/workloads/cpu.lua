-- cpu.lua MODE KIND: 64 tasks of 20 ms of Lua on two workers, over the same in sequential Lua.
--
-- KIND is arithmetic, or allocating (strings and tables). The work is calibrated first. Both ways
-- run in turn, so that a change of the machine's speed favours neither.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS, SECONDS = measure.pick(16, 64), 0.020

local work = {}

function work.arithmetic(steps)
  local x = 1
  for _ = 1, steps do
    x = (x * 1103515245 + 12345) & 0x7fffffff
  end
  return x
end

-- Tables that die young, strings of many lengths, and some of both that stay a while.
function work.allocating(steps)
  local kept, x = {}, 0
  for i = 1, steps do
    local t = { i, { i + 1 }, name = "n" .. i }
    local s = t.name:rep(1 + i % 20)
    kept[1 + i % 1000] = i % 2 == 0 and t or s
    x = x + #s + t[2][1]
  end
  return x + #kept
end

local fn = work[arg[2]]

local function calibrate()
  local steps = arg[2] == "arithmetic" and 1000000 or 30000
  local took = measure.median(measure.times(9, function() fn(steps) end))
  return math.floor(steps * SECONDS / took)
end

local steps = calibrate()
local expected = fn(steps)
local ex <close> = tidepool.executor(2)

local function sequential()
  for _ = 1, TASKS do
    assert(fn(steps) == expected)
  end
end

local function parallel()
  local futures = {}
  for i = 1, TASKS do
    futures[i] = ex:submit(fn, steps)
  end
  for i = 1, TASKS do
    assert(futures[i]:result() == expected)
  end
end

ex:submit(fn, 1):result()
collectgarbage()
local alone, together = 0, 0
for _ = 1, measure.pick(1, 2) do
  alone = alone + measure.time(sequential)
  together = together + measure.time(parallel)
end
measure.emit("cpu_sequential_" .. arg[2], alone)
measure.emit("cpu_parallel_" .. arg[2], together)
