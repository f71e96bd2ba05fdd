-- curve_wait.lua MODE MOST: the whole cost of wait, and of as_completed, against how many futures.
--
-- None is done when the clock starts: the only worker is parked until then. The time includes
-- running the no-ops.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local MOST = math.tointeger(tonumber(arg[2]))

local function noop() end

local ex <close> = tidepool.executor(1)

local ways = {}

function ways.wait(futures)
  local done = tidepool.wait(futures)
  return #done
end

function ways.as_completed(futures)
  local number = 0
  for _ in tidepool.as_completed(futures) do
    number = number + 1
  end
  return number
end

local function measured(way, number)
  local release = measure.park(ex, 1)
  local futures = {}
  for i = 1, number do
    futures[i] = ex:submit(noop)
  end
  collectgarbage()
  local start = measure.now()
  release()
  assert(ways[way](futures) == number, "a future was lost")
  return measure.now() - start
end

local number = 1
while number <= MOST do
  for _, way in ipairs { "wait", "as_completed" } do
    local samples = {}
    for i = 1, number <= 1000 and 9 or 3 do
      samples[i] = measured(way, number)
    end
    measure.point(way, number, measure.median(samples))
  end
  number = number * 10
end
