-- idle.lua MODE WORKERS: resident memory of a process whose executor has that many idle workers.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local workers = math.tointeger(tonumber(arg[2]))
local ex <close> = tidepool.executor(workers)
measure.park(ex, workers)() -- all of them must have started, and run something
measure.emit("resident_with_" .. workers, measure.resident())
assert(ex:stats().workers == workers, "a worker is missing")
