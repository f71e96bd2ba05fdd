-- one_core.lua: round trips and throughput on one processor, with spinning as by default and
-- without, in turn. Run by taskset -c 0.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS, TURNS = 10000, measure.pick(3, 9)

local function noop() end

local ok, never = pcall(tidepool.executor, { max_workers = 1, spin_time = 0 })
if not ok then
  measure.absent "spin_time"
  return
end
assert(tidepool.cpu_count() == 1, "wants one processor: taskset -c 0")
local pools = { spinning = tidepool.executor(1), never = never }

local round_trips = { spinning = {}, never = {} }
local throughputs = { spinning = {}, never = {} }
for i = 0, TURNS do -- turn 0 is not counted
  for _, name in ipairs(i % 2 == 0 and { "never", "spinning" } or { "spinning", "never" }) do
    local ex = pools[name]
    collectgarbage() -- a collector in the middle of its work, or not, makes twice the difference
    local trips = measure.times(1000, function() ex:submit(noop):result() end)
    collectgarbage()
    local took = measure.time(function() measure.submit_and_collect(ex, TASKS) end)
    if i > 0 then
      round_trips[name][i], throughputs[name][i] = measure.median(trips), took / TASKS
    end
  end
end
for name, ex in pairs(pools) do
  measure.emit("one_core_round_trip_" .. name, measure.median(round_trips[name]))
  measure.emit("one_core_per_task_" .. name, measure.median(throughputs[name]))
  ex:shutdown()
end
