-- share.lua: 1,000 tasks that read a shared table of 100,000 entries, against 1,000 that read none.
--
-- All do the same arithmetic, 1,000 turns of a loop. Those in the middle read a table of the same
-- size that their worker's initializer made: they show what reading alone costs.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS, ENTRIES = 1000, 100000

if not tidepool.share then
  measure.absent "share"
  return
end

local function read_shared(handle, start)
  local t, sum, i = handle:get(), 0, start
  for _ = 1, 1000 do
    i = (i * 1103515245 + 12345) & 0x7fffffff
    sum = sum + t[1 + i % 100000]
  end
  return sum
end

local function read_own(_, start)
  local t, sum, i = _G.own_table, 0, start
  for _ = 1, 1000 do
    i = (i * 1103515245 + 12345) & 0x7fffffff
    sum = sum + t[1 + i % 100000]
  end
  return sum
end

local function read_nothing(_, start)
  local sum, i = 0, start
  for _ = 1, 1000 do
    i = (i * 1103515245 + 12345) & 0x7fffffff
    sum = sum + (1 + i % 100000)
  end
  return sum
end

local function initializer(entries)
  local t = {}
  for i = 1, entries do
    t[i] = i
  end
  _G.own_table = t
end

local entries = {}
for i = 1, ENTRIES do
  entries[i] = i
end
local handle = tidepool.share(entries)
local ex <close> = tidepool.executor { max_workers = 2, initializer = initializer,
  initargs = { ENTRIES } }
measure.park(ex, 2)()

local function run(fn, argument)
  local futures, sum = {}, 0
  local start = measure.now()
  for i = 1, TASKS do
    futures[i] = ex:submit(fn, argument, i)
  end
  for i = 1, TASKS do
    sum = sum + futures[i]:result()
  end
  return measure.now() - start, sum
end

local shared, own, nothing = {}, {}, {}
for i = 1, measure.pick(5, 20) do
  local sum, sum_own, sum_nothing
  shared[i], sum = run(read_shared, handle)
  own[i], sum_own = run(read_own)
  nothing[i], sum_nothing = run(read_nothing)
  assert(sum == sum_own and sum == sum_nothing, "a wrong sum")
end
measure.emit("share_reading", measure.median(shared))
measure.emit("share_own_table", measure.median(own))
measure.emit("share_nothing", measure.median(nothing))
