-- curve_queue.lua MODE LONGEST: the cost of a no-op against how many are queued.
--
-- The only worker is parked while they are submitted; then it runs and they are collected.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local LONGEST = math.tointeger(tonumber(arg[2]))
local AT_LEAST = 10000 -- no-ops per point: short queues are filled again and again

local function noop() end

local ex <close> = tidepool.executor(1)

-- Returns the seconds to queue so many no-ops, and to run and collect them. Fills the list.
local function fill(length, futures)
  local release = measure.park(ex, 1)
  local start = measure.now()
  for i = 1, length do
    futures[i] = ex:submit(noop)
  end
  local submitted = measure.now() - start
  start = measure.now()
  release()
  for i = 1, length do
    futures[i]:result()
  end
  return submitted, measure.now() - start
end

fill(AT_LEAST, {})
local length = LONGEST > 1000000 and LONGEST or 1
while length <= LONGEST do
  collectgarbage() -- the futures of the last length
  local repeats = math.max(1, AT_LEAST // length)
  local queue, collect = 0, 0
  local futures <const> = {}
  for _ = 1, repeats do
    local submitted, collected = fill(length, futures)
    queue, collect = queue + submitted, collect + collected
  end
  measure.point("queue_submit", length, queue / (repeats * length))
  measure.point("queue_collect", length, collect / (repeats * length))
  measure.point("queue_both", length, (queue + collect) / (repeats * length))
  length = length * 10
end
