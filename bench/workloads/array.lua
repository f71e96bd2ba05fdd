-- array.lua: round trips of a shared array of 100,000 floats, and of a no-op, in turn; one worker.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local ELEMENTS = 100000

if not tidepool.array then
  measure.absent "array"
  return
end

local function noop() end

local function echo(value)
  return value
end

local ex <close> = tidepool.executor(1)
local array = tidepool.array("f64", ELEMENTS)
array[ELEMENTS] = 0.5
assert(#ex:submit(echo, array):result() == ELEMENTS)
assert(ex:submit(echo, array):result()[ELEMENTS] == 0.5)

local plain, with_array = {}, {}
local repeats = measure.pick(3000, 20000)
for i = 1, repeats + 500 do
  local start = measure.now()
  ex:submit(noop):result()
  local between = measure.now()
  ex:submit(echo, array):result()
  local ended = measure.now()
  if i > 500 then
    plain[i - 500], with_array[i - 500] = between - start, ended - between
  end
end
measure.emit("array_noop", measure.median(plain))
measure.emit("array_round_trip", measure.median(with_array))
