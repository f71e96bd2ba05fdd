-- roundtrip.lua: submit a no-op, wait for its result, again and again; one worker.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local function noop() end

local ex <close> = tidepool.executor(1)
local function round_trip()
  ex:submit(noop):result()
end

measure.times(500, round_trip) -- not counted: the thread starts, the code travels
local samples = measure.times(measure.pick(3000, 20000), round_trip)
measure.emit("roundtrip_p50", measure.quantile(samples, 0.50))
measure.emit("roundtrip_p99", measure.quantile(samples, 0.99))
