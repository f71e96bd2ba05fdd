-- idle.lua MODE WORKERS: resident memory of a process whose executor has that many idle workers.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local workers = math.tointeger(tonumber(arg[2]))
local ex <close> = tidepool.executor(workers)

-- Runs for a quarter of a second and more, by the clock of all threads: all workers have to start.
local function work()
  local enough = os.clock() + 0.5
  while os.clock() < enough do end
end

-- Each runs one task of plain Lua. (measure.park would make promises known to all: 3 KiB and more.)
measure.submit_and_collect(ex, workers, work)
measure.emit("resident_with_" .. workers, measure.resident())
assert(ex:stats().workers == workers, "a worker is missing")
