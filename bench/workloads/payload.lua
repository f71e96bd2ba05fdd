-- payload.lua: values sent to a worker and back; one worker.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local function integers()
  local list = {}
  for i = 1, 100000 do
    list[i] = i
  end
  return list
end

local function floats()
  local list = {}
  for i = 1, 100000 do
    list[i] = i + 0.5
  end
  return list
end

local function records()
  local list = {}
  for i = 1, 10000 do
    list[i] = { id = i, name = "name" .. i, tags = { "a", "b" } }
  end
  return list
end

local payloads = {
  { name = "string_1mib", value = ("x"):rep(1 << 20), repeats = 100 },
  { name = "integers", value = integers(), repeats = 20 },
  { name = "floats", value = floats(), repeats = 20 },
  { name = "records", value = records(), repeats = 20 },
}

local function echo(value)
  return value
end

local ex <close> = tidepool.executor(1)
for _, p in ipairs(payloads) do
  local back
  local function round_trip()
    back = ex:submit(echo, p.value):result()
  end
  measure.times(3, round_trip)
  assert(#back == #p.value, "a part was lost")
  local samples = measure.times(measure.pick(p.repeats // 4, p.repeats), round_trip)
  measure.emit("payload_" .. p.name, measure.quantile(samples, 0.5))
end
