-- throughput.lua: 100,000 no-ops submitted, then all collected in order; two workers.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS = 100000

local function noop() end

local function submit_and_collect(ex, number)
  local futures = {}
  for i = 1, number do
    futures[i] = ex:submit(noop)
  end
  for i = 1, number do
    futures[i]:result()
  end
end

local ex <close> = tidepool.executor(2)
submit_and_collect(ex, 1000)
collectgarbage()
local start = measure.now()
submit_and_collect(ex, TASKS)
measure.emit("tasks_per_second", TASKS / (measure.now() - start))
