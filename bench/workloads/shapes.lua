-- shapes.lua: values of many shapes sent to a worker and back; one worker.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

-- Loads it by its path, since this file has the same name.
local shapes = dofile((arg[0]:match("^(.*/)") or "./") .. "../shapes.lua")

local function echo(value)
  return value
end

local ex <close> = tidepool.executor(1)
for _, shape in ipairs(shapes.list) do
  collectgarbage() -- the last shape
  local value, back = shape.make(), nil
  local function round_trip()
    back = ex:submit(echo, value):result()
  end
  measure.times(measure.pick(4, 10), round_trip) -- until its blocks are warm
  assert(shapes.same(value, back), shape.name .. ": not what was sent")
  local samples = measure.times(measure.pick(3, 21), round_trip)
  measure.emit("shape_" .. shape.name, measure.median(samples))
  measure.emit("values_in_" .. shape.name, shapes.count(value))
end
