-- share.lua: 1,000 tasks that read a shared table of 100,000 entries, against 1,000 that do not.
--
-- All do the same arithmetic, 1,000 or 10,000 turns of a loop, and those that read read ten entries
-- meanwhile. Then each of 1,000 turns reads an entry: of the shared table, or of one of the same
-- size that the worker's initializer made. There the sharing differs, and the memory read does not.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local TASKS, ENTRIES = 1000, 100000

if not tidepool.share then
  measure.absent "share"
  return
end

-- Does that many turns; after each `often` of them it reads one of 100,000 entries.
local function turns(t, start, number, often)
  local sum, i = 0, start
  for _ = 1, number // often do
    for _ = 1, often do
      i = (i * 1103515245 + 12345) & 0x7fffffff
    end
    local entry = 1 + i % 100000
    sum = sum + (t and t[entry] or entry)
  end
  return sum
end

local function read_shared(start, number, often, handle)
  return turns(handle:get(), start, number, often)
end

local function read_own(start, number, often)
  return turns(_G.own_table, start, number, often)
end

local function read_nothing(start, number, often)
  return turns(nil, start, number, often)
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

-- Returns the seconds that all tasks take, and the sum of their results.
local function run(fn, number, often, argument)
  local futures, sum = {}, 0
  local start = measure.now()
  for i = 1, TASKS do
    futures[i] = ex:submit(fn, i, number, often, argument)
  end
  for i = 1, TASKS do
    sum = sum + futures[i]:result()
  end
  return measure.now() - start, sum
end

local names = {
  "share_reading", "share_nothing", "share_reading_short", "share_nothing_short",
  "share_all_turns", "share_own_table",
}
local ways = {
  share_reading = function() return run(read_shared, 10000, 1000, handle) end,
  share_nothing = function() return run(read_nothing, 10000, 1000) end,
  share_reading_short = function() return run(read_shared, 1000, 100, handle) end,
  share_nothing_short = function() return run(read_nothing, 1000, 100) end,
  share_all_turns = function() return run(read_shared, 1000, 1, handle) end,
  share_own_table = function() return run(read_own, 1000, 1) end,
}
local samples, sums = {}, {}
for i = 0, measure.pick(5, 20) do -- turn 0 is not counted
  for _, name in ipairs(names) do
    samples[name] = samples[name] or {}
    samples[name][i], sums[name] = ways[name]()
  end
  assert(sums.share_reading == sums.share_nothing, "a wrong sum")
  assert(sums.share_reading_short == sums.share_nothing_short, "a wrong sum")
  assert(sums.share_all_turns == sums.share_own_table, "a wrong sum")
end
for _, name in ipairs(names) do
  measure.emit(name, measure.median(samples[name]))
end
