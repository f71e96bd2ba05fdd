-- spin_load.lua: the cost of spinning to other programs, with twice as many busy threads as
-- processors.
--
-- load.c is the other program. Meanwhile a pool does a round trip every 2 ms: in turn one that
-- spins and one that does not. Nothing else differs.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local native = require "bench_native"

local SECONDS, TURNS, PERIOD = measure.pick(0.3, 0.7), measure.pick(2, 5), 0.002
local load_program = (arg[0]:match("^(.*/)") or "./") .. "../../build/bench/load"

local function noop() end

local ok, never = pcall(tidepool.executor, { max_workers = 1, spin_time = 0 })
if not ok then
  measure.absent "spin_time"
  return
end
local pools = { spinning = tidepool.executor(1), never = never }
for _, ex in pairs(pools) do
  measure.times(500, function() ex:submit(noop):result() end)
end

-- Returns turns per second and mean lateness of the other program, while ex does its round trips.
local function loaded(ex)
  local threads = 2 * tidepool.cpu_count()
  local pipe = assert(io.popen(("%s %d %g"):format(load_program, threads, SECONDS)))
  local ends = measure.now() + SECONDS
  local due = measure.now() + PERIOD
  while due < ends do
    native.sleep_until(due)
    ex:submit(noop):result()
    due = measure.now() + PERIOD
  end
  local text = pipe:read("a")
  assert(pipe:close(), "load failed")
  return tonumber(text:match("turns_per_second\t(%S+)")), tonumber(text:match("lateness\t(%S+)"))
end

local turns = { spinning = {}, never = {} }
local late = { spinning = {}, never = {} }
for i = 1, TURNS do
  for _, name in ipairs(i % 2 == 0 and { "never", "spinning" } or { "spinning", "never" }) do
    turns[name][i], late[name][i] = loaded(pools[name])
  end
end
for name, ex in pairs(pools) do
  measure.emit("other_work_" .. name, measure.median(turns[name]))
  measure.emit("other_lateness_" .. name, measure.median(late[name]))
  ex:shutdown()
end
