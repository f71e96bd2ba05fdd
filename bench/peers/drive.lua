-- drive.lua MODE NAME METRIC: takes one figure of another library's pool, as tidepool's is taken.
--
-- The library's adapter is peers/NAME.lua. It returns a table:
--   metrics               the list of the figures that the library can have
--   open(workers, task)   returns a pool; task is a function without upvalues
--   environment(metric)   optional: returns "NAME=VALUE" for the environment
--   enter(arg)            optional, if all must run inside of the library: runs this script there;
--                         returns nil when called there
-- A pool has
--   run(n, argument)   submits task(argument) n times, then collects all; returns the last result
--   close()            nil if the pool ends with the process: such a pool is opened once
-- SPDX-License-Identifier: MIT

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../?.lua;" .. package.path
local measure = require "measure"
local payloads = require "values"

local adapter = dofile(here .. arg[2] .. ".lua")
local metric = arg[3]
if adapter.enter and adapter.enter(arg) then return end

local task = {}

function task.noop() end

function task.echo(value)
  return value
end

function task.burn(steps)
  local x = 1
  for _ = 1, steps do
    x = (x * 1103515245 + 12345) & 0x7fffffff
  end
  return x
end

function task.nap(seconds)
  require("bench_native").sleep(seconds)
end

local take = {}

function take.roundtrip()
  local pool = adapter.open(1, task.noop)
  local function round_trip()
    pool.run(1)
  end
  measure.times(500, round_trip)
  local samples = measure.times(measure.pick(1000, 5000), round_trip)
  measure.emit("roundtrip_p50", measure.median(samples))
  measure.emit("roundtrip_p99", measure.quantile(samples, 0.99))
  return pool
end

function take.throughput()
  local tasks = 100000
  local pool = adapter.open(2, task.noop)
  local function submit_and_collect()
    pool.run(tasks)
  end
  submit_and_collect()
  local samples = measure.times(measure.pick(1, 5), submit_and_collect)
  measure.emit("tasks_per_second", tasks / measure.median(samples))
  return pool
end

local function payload_metric(payload)
  return function()
    collectgarbage()
    local value, back = payload.make(), nil
    local pool = adapter.open(1, task.echo)
    local function round_trip()
      back = pool.run(1, value)
    end
    measure.times(payloads.warm_up, round_trip)
    payloads.check(payload, value, back)
    local repeats = measure.pick(math.max(1, payload.repeats // 4), payload.repeats)
    measure.emit("payload_" .. payload.name, measure.median(measure.times(repeats, round_trip)))
    return pool
  end
end
for _, payload in ipairs(payloads.list) do
  take[payload.name] = payload_metric(payload)
end

function take.cpu()
  local tasks = measure.pick(16, 64)
  local took = measure.median(measure.times(9, function() task.burn(1000000) end))
  local steps = math.floor(1000000 * 0.020 / took)
  local expected = task.burn(steps)
  local pool = adapter.open(2, task.burn)
  pool.run(2, 1)
  local alone, together = 0, 0
  for _ = 1, measure.pick(1, 2) do
    alone = alone + measure.time(function()
      for _ = 1, tasks do
        task.burn(steps)
      end
    end)
    together = together + measure.time(function()
      assert(pool.run(tasks, steps) == expected, "a wrong result")
    end)
  end
  measure.emit("cpu_speedup", alone / together)
  return pool
end

function take.sleeps()
  local pool = adapter.open(50, task.nap)
  local function sleeps()
    pool.run(200, 0.010)
  end
  sleeps()
  measure.emit("sleeps", measure.median(measure.times(measure.pick(3, 7), sleeps)))
  return pool
end

function take.startup()
  local once = false
  local function one_task()
    local pool = adapter.open(8, task.noop)
    pool.run(1)
    if pool.close then pool.close() else once = true end
  end
  local first = measure.time(one_task)
  local repeats = once and 0 or measure.pick(20, 100)
  local samples = measure.times(repeats, one_task)
  measure.emit("startup_one_task", once and first or measure.median(samples))
end

local pool = assert(take[metric], "unknown metric: " .. tostring(metric))()
if pool and pool.close then pool.close() end
-- The state is not closed: in some libraries that waits for threads that wait for tasks.
os.exit(true, false)
