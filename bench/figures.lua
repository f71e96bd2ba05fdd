-- figures.lua: the figures, each with its target if it has one, and the tables of the report.
--
-- Each figure is computed from the table v of one round's values, so that a ratio is always taken
-- within a round. A figure whose values are missing is shown as "not measured", with the reason if
-- one is known.
-- SPDX-License-Identifier: MIT

local shapes = require "shapes"

local figures = {}

local US, MS, PER_SECOND = { "µs", 1e-6 }, { "ms", 1e-3 }, { "million/s", 1e6 }
local KIB, BYTES, TIMES = { "KiB", 1024 }, { "bytes", 1 }, { "×", 1 }

-- ------------------------------------------------------------------- targets --

--- The figures: `point` (of the list of targets), `title`, `unit`, `value(v)`. The target is
--- `at_most` or `at_least`, in the unit. `needs` names the part of tidepool that is measured; the
--- report says "not there yet" if it is absent.
figures.list = {}

local function figure(point, title, unit, value, target)
  local entry = target or {}
  entry.point, entry.title, entry.unit, entry.value = point, title, unit, value
  table.insert(figures.list, entry)
end

figure(1, "round trip of a no-op, p50", US,
  function(v) return v.roundtrip_p50 end, { at_most = 3 })
figure(1, "round trip p50 over that of two threads that sleep on conditions", TIMES,
  function(v) return v.roundtrip_p50 / v.condvar_p50 end, { at_most = 1 / 12 })
figure(1, "round trip p99 over theirs", TIMES,
  function(v) return v.roundtrip_p99 / v.condvar_p99 end, { at_most = 1 })
figure(1, "processor time of an idle pool in one second", MS,
  function(v) return v.idle_cpu end, { at_most = 0.5 })
figure(1, "busy machine: throughput of other work, spinning over never spinning", TIMES,
  function(v) return v.other_work_spinning / v.other_work_never end,
  { at_least = 0.95, needs = "spin_time" })
figure(1, "busy machine: lateness of other work, spinning over never spinning", TIMES,
  function(v) return v.other_lateness_spinning / v.other_lateness_never end,
  { at_most = 1.05, needs = "spin_time" })
figure(1, "one processor: round trip, by default over never spinning", TIMES,
  function(v) return v.one_core_round_trip_spinning / v.one_core_round_trip_never end,
  { at_most = 1.05, needs = "spin_time" })
figure(1, "one processor: time per task, by default over never spinning", TIMES,
  function(v) return v.one_core_per_task_spinning / v.one_core_per_task_never end,
  { at_most = 1.05, needs = "spin_time" })

figure(2, "100,000 no-ops submitted, then collected, 2 workers", PER_SECOND,
  function(v) return v.tasks_per_second_2 end, { at_least = 1.3 })
figure(2, "the same over luv's queue", TIMES,
  function(v) return v.tasks_per_second_2 / v["luv.tasks_per_second"] end, { at_least = 1.3 })
figure(2, "2 workers over 1", TIMES,
  function(v) return v.tasks_per_second_2 / v.tasks_per_second_1 end, { at_least = 1 })
figure(2, "64 workers over 2", TIMES,
  function(v) return v.tasks_per_second_64 / v.tasks_per_second_2 end, { at_least = 0.7 })
figure(2, "resident memory of a queued no-op, future included", BYTES,
  function(v) return v.bytes_per_queued end, { at_most = 300 })

figure(3, "map of a million tiny items, default options", PER_SECOND,
  function(v) return v.items_per_second end, { at_least = 4 })
figure(3, "the same over Python's processes, chunksize=1000", TIMES,
  function(v) return v.items_per_second / v["python processes.items_per_second"] end,
  { at_least = 1.5 })
--- Kinds of items of workloads/map_sizes.lua, with titles.
figures.map_kinds = {
  { "tiny", "0.1 µs" },
  { "10us", "10 µs" },
  { "1ms", "1 ms" },
  { "mix_spread", "1 µs, some of 50 ms between them" },
  { "mix_first", "1 µs, some of 50 ms first" },
  { "mix_last", "1 µs, some of 50 ms last" },
}
for _, kind in ipairs(figures.map_kinds) do
  figure(3, "map's speed over the best chunksize by hand, items of " .. kind[2], TIMES,
    function(v) return v["map_by_hand_" .. kind[1]] / v["map_default_" .. kind[1]] end,
    { at_least = 0.5 })
end

figure(4, "1 MiB string there and back, in copies", TIMES,
  function(v) return v.payload_string_1mib / v.copy_1mib end, { at_most = 4 })
figure(4, "the same, over two threads that copy it from each other", TIMES,
  function(v) return v.payload_string_1mib / v.exchange_1mib end)
figure(4, "64 MiB string there and back, over allocate and copy", TIMES,
  function(v) return v.payload_string_64mib / v.alloc_copy_64mib end, { at_most = 2.3 })
for _, payload in ipairs {
  { "integers", "100,000 integers", 1.3 },
  { "floats", "100,000 floats", 1.5 },
  { "records", "10,000 records", 1.5 },
} do
  local name, title, most = table.unpack(payload)
  figure(4, title .. " there and back, over the C API's read and build, twice", TIMES,
    function(v)
      return v["payload_" .. name] / (2 * (v["read_" .. name] + v["build_" .. name]))
    end, { at_most = most })
end
figure(4, "10,000 records there and back, over Python's processes", TIMES,
  function(v) return v.payload_records / v["python processes.payload_records"] end,
  { at_most = 1 })

local function per_value(v, name)
  return v["shape_" .. name] / v["values_in_" .. name]
end

local function over_limit(v, name)
  return v["shape_" .. name] / (2 * v["limit_shape_" .. name])
end

-- Returns the greatest of fn(v, shape) over the least.
local function spread_of_shapes(v, fn)
  local least, greatest = math.huge, 0
  for _, shape in ipairs(shapes.list) do
    local x = fn(v, shape.name)
    least, greatest = math.min(least, x), math.max(greatest, x)
  end
  return greatest / least
end

figure(4, "shapes: cost per value of the dearest over the cheapest", TIMES,
  function(v) return spread_of_shapes(v, per_value) end, { at_most = 3 })
figure(4, "shapes: cost over the C API's, of the dearest over the cheapest", TIMES,
  function(v) return spread_of_shapes(v, over_limit) end, { at_most = 3 })

figure(5, "round trip of a closure with three upvalues, over a no-op's", TIMES,
  function(v) return v.code_closure / v.code_noop end, { at_most = 1.5 })
figure(5, "the same, the closure made anew each time", TIMES,
  function(v) return v.code_anew / v.code_noop end, { at_most = 1.5 })
figure(5, "the same, its function compiled anew each time", TIMES,
  function(v) return v.code_redefined / v.code_noop end)

figure(6, "speed-up of 64 tasks of 20 ms on 2 workers, arithmetic", TIMES,
  function(v) return v.cpu_sequential_arithmetic / v.cpu_parallel_arithmetic end,
  { at_least = 1.96 })
figure(6, "the same, strings and tables", TIMES,
  function(v) return v.cpu_sequential_allocating / v.cpu_parallel_allocating end,
  { at_least = 1.9 })

figure(7, "pool of 8: create, one no-op, shut down", MS,
  function(v) return v.startup_one_task end, { at_most = 0.35 })
figure(7, "eight tasks on eight new workers, until all run", MS,
  function(v) return v.startup_eight_run end, { at_most = 1.5 })
figure(7, "the same, from creating the pool to its end", MS,
  function(v) return v.startup_all_workers end)
figure(7, "resident memory of an idle worker", KIB,
  function(v) return (v.resident_with_33 - v.resident_with_1) / 32 end, { at_most = 45 })
figure(7, "text of the library", KIB,
  function(v) return v.text_size end, { at_most = 150 })
figure(7, "the same and what else of it is loaded read-only", KIB,
  function(v) return v.text_all end)

figure(8, "1,000 tasks of 10,000 turns that look into a shared table, over others", TIMES,
  function(v) return v.share_reading / v.share_nothing end, { at_most = 1.1, needs = "share" })
figure(8, "the same, of 1,000 turns", TIMES,
  function(v) return v.share_reading_short / v.share_nothing_short end, { needs = "share" })
figure(8, "1,000 tasks that read it at each turn, over a table of the worker's own", TIMES,
  function(v) return v.share_all_turns / v.share_own_table end, { needs = "share" })

figure(9, "round trip of an array of 100,000 floats, over a no-op's", TIMES,
  function(v) return v.array_round_trip / v.array_noop end, { at_most = 1.2, needs = "array" })

figure(10, "no-op at the longest queue of the round, over 1,000 queued", TIMES,
  function(v) return v:growth("queue_both", 1000) end, { at_most = 1.5 })
figure(10, "no-op with ten million queued, over 1,000 queued", TIMES,
  function(v) return v:growth("queue_both", 1000, 1e7) end, { at_most = 1.5 })
figure(10, "no-op beside the most futures alive, over 1,000 alive", TIMES,
  function(v) return v:growth("live_no_op", 1000) end, { at_most = 1.5 })
for _, way in ipairs { "wait", "as_completed" } do
  figure(10, way .. ": cost per future with the most, over 1,000", TIMES,
    function(v)
      local growth, times = v:growth(way, 1000)
      return growth / times
    end, { at_most = 1.5 })
end
figure(10, "no-op with 64 workers, over 2", TIMES,
  function(v) return v:growth("workers_no_op", 2) end, { at_most = 1 / 0.7 })

for _, loop in ipairs { "bare", "pcall", "coroutines", "gsub", "sort", "allocating", "finalizer",
  "finalizers", "closing" } do
  figure(11, "stopping a task, p50: " .. loop, MS, function(v) return v["stop_p50_" .. loop] end)
  figure(11, "stopping a task, p99: " .. loop, MS, function(v) return v["stop_p99_" .. loop] end,
    { at_most = 50 })
end
figure(11, "no-op there and back in a state of its own", US,
  function(v) return v.isolation_round_trip_task end)
figure(11, "the same, over one in its worker's state", TIMES,
  function(v) return v.isolation_round_trip_task / v.isolation_round_trip_worker end)
figure(11, "1,000 no-ops in states of their own, each", US,
  function(v) return v.isolation_many_task end)

-- ------------------------------------------------------------------- peers --

--- The figures that tidepool and its peers are compared by: title, unit, own(v), key of the peers'
--- values, and whether more is better.
figures.rows = {
  { "round trip of a no-op, p50", US, function(v) return v.roundtrip_p50 end, "roundtrip_p50" },
  { "no-ops submitted, then collected, 2 workers", PER_SECOND,
    function(v) return v.tasks_per_second_2 end, "tasks_per_second", more = true },
  { "map of a million tiny items", PER_SECOND,
    function(v) return v.items_per_second end, "items_per_second", more = true },
  { "1 MiB string", US,
    function(v) return v.payload_string_1mib end, "payload_string_1mib" },
  { "64 MiB string", MS,
    function(v) return v.payload_string_64mib end, "payload_string_64mib" },
  { "100,000 integers", MS, function(v) return v.payload_integers end, "payload_integers" },
  { "100,000 floats", MS, function(v) return v.payload_floats end, "payload_floats" },
  { "10,000 records", MS, function(v) return v.payload_records end, "payload_records" },
  { "64 tasks of 20 ms on 2 workers, speed-up", TIMES,
    function(v) return v.cpu_sequential_arithmetic / v.cpu_parallel_arithmetic end,
    "cpu_speedup", more = true },
  { "200 sleeps of 10 ms on 50 workers", MS, function(v) return v.sleeps end, "sleeps" },
  { "pool of 8: create, one task, shut down", MS,
    function(v) return v.startup_one_task end, "startup_one_task" },
}

-- ------------------------------------------------------------------ tables --

--- The values that limits.c measures: key, title, unit.
figures.limits = {
  { "condvar_p50", "two threads that sleep on conditions, round trip, p50", US },
  { "condvar_p99", "the same, p99", US },
  { "copy_1mib", "copy of 1 MiB", US },
  { "exchange_1mib", "1 MiB copied by another thread, and back from it", US },
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

--- Columns of the tables of shapes and of maps: title, unit, value(v, name).
figures.shape_columns = {
  { "there and back", MS, function(v, name) return v["shape_" .. name] end },
  { "per value", { "ns", 1e-9 }, per_value },
  { "C API, twice", MS, function(v, name) return 2 * v["limit_shape_" .. name] end },
  { "over the C API", TIMES, over_limit },
}
figures.map_columns = {
  { "default", MS, function(v, name) return v["map_default_" .. name] end },
  { "best by hand", MS, function(v, name) return v["map_by_hand_" .. name] end },
  { "its chunksize", { "", 1 }, function(v, name) return v["map_best_size_" .. name] end },
}

return figures
