-- figures.lua: the programs of a round, and the figures that are read from what they print.
--
-- A round runs each program once; their values are collected in one table v. A figure is computed
-- from that, and so is the machine's limit it is read beside: both come from the same round.
-- SPDX-License-Identifier: MIT

local figures = {}

--- Lua scripts under workloads/, each with its further arguments. bench/run.lua adds limits.c.
figures.workloads = {
  "roundtrip.lua",
  "throughput.lua",
  "map.lua",
  "payload.lua",
  "cpu.lua",
  "startup.lua",
  "idle.lua 1",
  "idle.lua 33",
  "queued.lua",
}

local US, MS, MILLION, KIB = { "µs", 1e-6 }, { "ms", 1e-3 }, { "million/s", 1e6 }, { "KiB", 1024 }

--- title; unit; value(v); optionally limit(v), in the same unit, and what that limit is.
figures.list = {
  {
    title = "round trip of a no-op, 1 worker, p50",
    unit = US,
    value = function(v) return v.roundtrip_p50 end,
    limit = function(v) return v.condvar_p50 end,
    limit_title = "two threads that sleep on conditions, p50",
  },
  {
    title = "round trip of a no-op, 1 worker, p99",
    unit = US,
    value = function(v) return v.roundtrip_p99 end,
    limit = function(v) return v.condvar_p99 end,
    limit_title = "two threads that sleep on conditions, p99",
  },
  {
    title = "100,000 no-ops submitted, then collected, 2 workers",
    unit = MILLION,
    value = function(v) return v.tasks_per_second end,
  },
  {
    title = "map of a million tiny items, 2 workers",
    unit = MILLION,
    value = function(v) return v.items_per_second end,
  },
  {
    title = "1 MiB string there and back",
    unit = US,
    value = function(v) return v.payload_string_1mib end,
    limit = function(v) return v.copy_1mib end,
    limit_title = "one copy",
  },
  {
    title = "100,000 integers there and back",
    unit = MS,
    value = function(v) return v.payload_integers end,
    limit = function(v) return 2 * (v.read_integers + v.build_integers) end,
    limit_title = "C API, read and build, twice",
  },
  {
    title = "100,000 floats there and back",
    unit = MS,
    value = function(v) return v.payload_floats end,
    limit = function(v) return 2 * (v.read_floats + v.build_floats) end,
    limit_title = "C API, read and build, twice",
  },
  {
    title = "10,000 records {id=, name=, tags={…}} there and back",
    unit = MS,
    value = function(v) return v.payload_records end,
    limit = function(v) return 2 * (v.read_records + v.build_records) end,
    limit_title = "C API, read and build, twice",
  },
  {
    title = "speed-up of 64 tasks of 20 ms on 2 workers over sequential Lua",
    unit = { "times", 1 },
    value = function(v) return v.cpu_sequential / v.cpu_parallel end,
    limit = function() return 2 end,
    limit_title = "two workers",
  },
  {
    title = "pool of 8: create, one no-op, shut down",
    unit = US,
    value = function(v) return v.startup_one_task end,
    limit = function(v) return v.thread_create_join + v.state_open_close end,
    limit_title = "one thread, one state",
  },
  {
    title = "pool of 8: create, run on all 8 workers, shut down",
    unit = US,
    value = function(v) return v.startup_all_workers end,
    limit = function(v) return 8 * (v.thread_create_join + v.state_open_close) end,
    limit_title = "eight threads, eight states",
  },
  {
    title = "resident memory of an idle worker",
    unit = KIB,
    value = function(v) return (v.resident_with_33 - v.resident_with_1) / 32 end,
  },
  {
    title = "resident memory of a queued no-op, future included",
    unit = { "bytes", 1 },
    value = function(v) return v.bytes_per_queued end,
  },
}

--- What limits.c measures, for the report's second table.
figures.limits = {
  { "condvar_p50", "two threads that sleep on conditions, round trip, p50", US },
  { "condvar_p99", "the same, p99", US },
  { "copy_1mib", "copy of 1 MiB", US },
  { "alloc_copy_64mib", "64 MiB allocated, copied to, freed", MS },
  { "thread_create_join", "thread created and joined", US },
  { "state_open_close", "Lua state with its libraries opened and closed", US },
  { "read_integers", "100,000 integers read through the C API", MS },
  { "build_integers", "100,000 integers built through the C API", MS },
  { "read_floats", "100,000 floats read", MS },
  { "build_floats", "100,000 floats built", MS },
  { "read_records", "10,000 records read", MS },
  { "build_records", "10,000 records built", MS },
}

return figures
