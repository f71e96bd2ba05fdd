-- measure.lua: functions that all workloads use: the clock, the report of a figure, parked workers,
-- no-ops.
--
-- A workload is a script that runs one kind of work in a process of its own. It prints one figure
-- per line: name, tab, value, in seconds, bytes or per second. Its first argument is "full" or
-- "quick". The workloads of other libraries (peers/drive.lua) use this file, too: measure.park
-- alone needs tidepool, and measure.submit_and_collect an executor of its kind.
-- SPDX-License-Identifier: MIT

-- Functions of this module are tasks, and are sent by name, so a worker loads this file, too. A
-- worker has no `arg`, and its package.cpath is the script's.
local arguments = arg or {}
if arguments[0] then
  local place = arguments[0]:match("^(.*/)") or "./"
  package.cpath = place .. "../../build/bench/?.so;" .. package.cpath
end
local native = require "bench_native"

local measure = { quick = arguments[1] == "quick", now = native.now }

function measure.emit(name, value)
  io.write(("%s\t%.9g\n"):format(name, value)) -- some libraries have a print of their own
end

--- Prints that a part of tidepool is absent, in place of its figures.
function measure.absent(part)
  io.write("absent\t", part, "\n")
end

--- Prints a point of the curve of that name.
function measure.point(name, x, y)
  io.write(("curve\t%s\t%.9g\t%.9g\n"):format(name, x, y))
end

--- Returns the first value in quick mode, else the second.
function measure.pick(quick, full)
  return measure.quick and quick or full
end

--- Returns the value that a share q of the samples does not exceed. Sorts the list.
function measure.quantile(samples, q)
  table.sort(samples)
  return samples[1 + math.floor(q * (#samples - 1))]
end

function measure.median(samples)
  return measure.quantile(samples, 0.5)
end

--- Returns the seconds that one call of fn takes.
function measure.time(fn)
  local start = measure.now()
  fn()
  return measure.now() - start
end

--- Returns a list of the seconds that fn takes, for `repeats` calls.
function measure.times(repeats, fn)
  local now, samples = measure.now, {}
  for i = 1, repeats do
    local start = now()
    fn()
    samples[i] = now() - start
  end
  return samples
end

local function parked(here, gate)
  here:set_result()
  gate:result()
end

--- Occupies `number` workers of an executor, which must have as many free, and waits until all of
--- them run. Returns a function that frees them and waits until they are free.
function measure.park(ex, number)
  local tidepool = require "tidepool"
  local gate, here, tasks = tidepool.future(), {}, {}
  for i = 1, number do
    here[i] = tidepool.future()
    tasks[i] = ex:submit(parked, here[i], gate)
  end
  tidepool.wait(here)
  return function()
    gate:set_result()
    for _, task in ipairs(tasks) do
      task:result()
    end
  end
end

local function noop() end

--- Submits that many no-ops, or calls of fn, keeps the futures, then reads each result in order.
function measure.submit_and_collect(ex, number, fn)
  local futures = {}
  fn = fn or noop
  for i = 1, number do
    futures[i] = ex:submit(fn)
  end
  for i = 1, number do
    futures[i]:result()
  end
end

--- Returns the resident memory of this process, in bytes, after a full collection.
function measure.resident()
  collectgarbage()
  collectgarbage()
  -- The sum over all mappings is exact; the kernel's running total lags behind by some pages.
  local f = io.open("/proc/self/smaps_rollup")
  local kib = f and f:read("a"):match("Rss:%s*(%d+)")
  if f then f:close() end
  if not kib then
    f = assert(io.open("/proc/self/status"))
    kib = f:read("a"):match("VmRSS:%s*(%d+)")
    f:close()
  end
  return tonumber(kib) * 1024
end

return measure
