-- payload.lua: values sent to a worker and back; one worker.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local values = require "values"

local function echo(value)
  return value
end

local ex <close> = tidepool.executor(1)
for _, p in ipairs(values.list) do
  collectgarbage() -- what the last one left: its size would set this one's pace of collection
  local value, back = p.make(), nil
  local function round_trip()
    back = ex:submit(echo, value):result()
  end
  measure.times(p.warm_up or 3, round_trip)
  values.check(p, value, back)
  local samples = measure.times(measure.pick(math.max(1, p.repeats // 4), p.repeats), round_trip)
  measure.emit("payload_" .. p.name, measure.median(samples))
end
