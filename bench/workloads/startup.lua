-- startup.lua: an executor of eight workers is created, used, and shut down.
--
-- Once with a single no-op, which starts one thread; once with eight tasks that wait for each
-- other, so that eight threads start. The second is also timed until all eight run.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local WORKERS = 8

local function noop() end

local function one_task()
  local ex = tidepool.executor(WORKERS)
  ex:submit(noop):result()
  ex:shutdown()
end

local running = {}

local function all_workers()
  local ex = tidepool.executor(WORKERS)
  local start = measure.now()
  local release = measure.park(ex, WORKERS)
  running[#running + 1] = measure.now() - start
  release()
  ex:shutdown()
end

local repeats = measure.pick(20, 100)
measure.times(3, one_task)
measure.emit("startup_one_task", measure.median(measure.times(repeats, one_task)))
measure.times(3, all_workers)
running = {}
measure.emit("startup_all_workers", measure.median(measure.times(repeats, all_workers)))
measure.emit("startup_eight_run", measure.median(running))
