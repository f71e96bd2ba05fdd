-- startup.lua: an executor of eight workers is created, used, and shut down.
--
-- Once for a single no-op, which starts one thread; once for eight tasks that meet, so that all
-- eight threads must have started.
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

local function all_workers()
  local ex = tidepool.executor(WORKERS)
  measure.park(ex, WORKERS)()
  ex:shutdown()
end

local repeats = measure.pick(20, 100)
for name, run in pairs { startup_one_task = one_task, startup_all_workers = all_workers } do
  measure.times(3, run)
  measure.emit(name, measure.quantile(measure.times(repeats, run), 0.5))
end
