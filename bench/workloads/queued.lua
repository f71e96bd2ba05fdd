-- queued.lua: resident memory of 100,000 no-ops that wait in the queue, futures included.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS = 100000

local function noop() end

local futures = {}
for i = 1, TASKS do
  futures[i] = false -- the list itself is not counted
end

local ex <close> = tidepool.executor(1)
ex:submit(noop):result()
local release = measure.park(ex, 1)
local before = measure.resident()
for i = 1, TASKS do
  futures[i] = ex:submit(noop)
end
measure.emit("bytes_per_queued", (measure.resident() - before) / TASKS)
release()
for i = 1, TASKS do
  futures[i]:result()
end
