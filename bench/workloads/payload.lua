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

-- Collects the garbage of the last payload in both states, since its size would set the pace of the
-- collector. Does so twice: borrowed strings are given back when the messages have been collected
-- and the next message is sent.
local function collect()
  for _ = 1, 2 do
    collectgarbage()
    ex:submit(collectgarbage):result()
  end
end

for _, p in ipairs(values.list) do
  collect()
  local value, back = p.make(), nil
  local function round_trip()
    back = ex:submit(echo, value):result()
  end
  measure.times(values.warm_up, round_trip)
  values.check(p, value, back)
  local samples = measure.times(measure.pick(math.max(1, p.repeats // 4), p.repeats), round_trip)
  measure.emit("payload_" .. p.name, measure.median(samples))
end
