-- soak.lua [TASKS]: millions of tasks of mixed kinds in bounded memory.
--
-- Runs that many tasks (default: ten million), after a tenth as many (200,000 at least) to warm
-- up, and prints the resident size now and then. Every task must end as expected. After the warm-up
-- the size must not grow by 2 % or more, or 5 % in runs of less than five million, whose means
-- differ by 3 % by chance. The size is taken between two batches, with nothing queued and no future
-- held. It varies with what is garbage and what is kept for the next task. So the mean over the
-- first fifth of the run is compared with that over the last.
-- Last line: N passed, N failed; status 1 if one failed. TIDE_SEED repeats a run.
-- SPDX-License-Identifier: MIT

local tidepool = require "tidepool"

local TASKS = math.tointeger(tonumber(arg[1] or 10000000)) or error "usage: soak.lua [TASKS]"
local BATCH, SAMPLES = 1000, 1000
local MOST = TASKS < 5000000 and 0.05 or 0.02
local random = math.random

local seed = math.tointeger(tonumber(os.getenv "TIDE_SEED" or os.time()))
math.randomseed(seed)
print(("TIDE_SEED=%d, %d tasks"):format(seed, TASKS))

-- Resident memory of this process in KiB. The sum over all mappings is exact; the kernel's running
-- total lags behind by some pages.
local function resident()
  collectgarbage()
  collectgarbage()
  local f <close> = assert(io.open "/proc/self/smaps_rollup")
  return tonumber(f:read("a"):match "Rss:%s*(%d+)")
end

-- --------------------------------------------------------------- executors --

local plain = tidepool.executor(2)
local replaced =
  tidepool.executor { max_workers = 2, max_tasks_per_worker = 100, idle_timeout = 0.05 }
local bounded = tidepool.executor { max_workers = 2, max_queue = 50, memory_limit = 64 << 20 }

local function one_in(n) return random(n) == 1 end

local function some_executor()
  local n = random(10)
  return n <= 7 and plain or n <= 9 and replaced or bounded
end

-- ------------------------------------------------------------------- tasks --
-- Each kind returns a future and how it must end: values, an error, a kind, or several of these.

local kinds = {}

-- How many of a thousand are of a kind; the rest are numbers.
local shares = {
  table = 100, string_error = 50, object_error = 20, cancelled = 100, interrupted = 2,
  time_limit = 1, memory_limit = 1, big_string = 4, big_table = 2, new_code = 10, closure = 50,
  nested = 5, share = 5, array = 5, promise = 10, callback = 20, dropped = 20, unsendable = 5,
  map = 2, short_executor = 1,
}

local function echo(...) return ... end
local function forever() while true do end end

function kinds.number(ex)
  local n = random(1 << 40)
  return ex:submit(echo, n), { n }
end

function kinds.table(ex)
  local n = random(1000)
  local value = { name = "n" .. n, list = { n, {}, n } }
  return ex:submit(function(t) return t.list[1], t end, value), { n }
end

function kinds.string_error(ex)
  local n = random(1000)
  return ex:submit(function(x) error("no " .. x, 0) end, n), { error = "no " .. n }
end

function kinds.object_error(ex)
  return ex:submit(function() error { code = 1 } end), { any_error = true }
end

function kinds.cancelled(ex)
  local n = random(1000)
  local f = ex:submit(echo, n)
  f:cancel()
  return f, { n, cancelled = true }
end

-- Some before they start, some while they run.
function kinds.interrupted(ex)
  local f = ex:submit(forever)
  if one_in(2) then
    while not f:running() do f:wait(0.001) end
  end
  assert(f:interrupt())
  return f, { cancelled = true, interrupted = true }
end

function kinds.time_limit(ex)
  return ex:with({ time_limit = 0.001 }):submit(forever), { time_limit = true }
end

function kinds.memory_limit(ex)
  return ex:with({ memory_limit = 100000 }):submit(function()
    local t = {}
    while true do t = { t } end
  end), { memory_limit = true }
end

function kinds.big_string(ex)
  local s = ("x"):rep(random(50000, 300000))
  return ex:submit(function(x) return #x, x end, s), { #s }
end

function kinds.big_table(ex)
  local t = {}
  for i = 1, random(5000) do t[i] = { i, tostring(i) } end
  return ex:submit(function(list) return #list, list end, t), { #t }
end

-- A piece of code that was never sent before.
local pieces = 0
function kinds.new_code(ex)
  pieces = pieces + 1
  return ex:submit(assert(load(("local x = ... return x + %d"):format(pieces))), 1), { pieces + 1 }
end

function kinds.closure(ex)
  local n = random(1000)
  return ex:submit(function() return n + 1 end), { n + 1 }
end

function kinds.nested(ex)
  return ex:submit(function(inner)
    return inner:submit(echo, 1):result() + inner:submit(echo, 2):result(600)
  end, ex), { 3 }
end

function kinds.share(ex)
  local s = tidepool.share { 1, { 2 } }
  return ex:submit(function(h) return h:get()[2][1] end, s), { 2 }
end

function kinds.array(ex)
  local a = tidepool.array("f64", random(1, 20000))
  return ex:submit(function(x)
    x:fill(2)
    return x[1], x
  end, a), { 2.0 }
end

function kinds.promise(ex)
  local p = tidepool.future()
  ex:submit(function(x) x:set_result { 5 } return 5 end, p)
  return ex:submit(function(x) return x:result()[1] end, p), { 5 }
end

local called = 0
function kinds.callback(ex)
  local f = ex:submit(echo, 1)
  f:add_done_callback(function() called = called + 1 end)
  return f, { 1 }
end

-- Futures that are dropped.
function kinds.dropped(ex)
  ex:submit(error, "unseen")
  return ex:submit(echo, 1), { 1 }
end

function kinds.unsendable(ex)
  return ex:submit(coroutine.create, print), { transfer = true }
end

function kinds.map(ex)
  local sum = 0
  for _, y in ex:map(function(x) return x + 1 end, { 1, 2, 3, 4 }) do sum = sum + y end
  return ex:submit(echo, sum), { 14 }
end

-- An executor that ends with tasks in it, one way or another.
local ways = { { wait = true }, { cancel_futures = true }, { interrupt = true }, { wait = false } }
function kinds.short_executor()
  local ex = tidepool.executor { max_workers = 2, isolation = "task" }
  local f
  for i = 1, 5 do f = ex:submit(echo, i) end
  if one_in(2) then ex:shutdown(ways[random(#ways)]) end
  return f, { 5, cancelled = true, interrupted = true }
end

-- Which kind each of a thousand is.
local deck = {}
for name, n in pairs(shares) do
  for _ = 1, n do deck[#deck + 1] = name end
end
table.sort(deck)
assert(#deck <= 1000)
for i = #deck + 1, 1000 do deck[i] = "number" end

local counts, wrong = {}, 0

local function check(name, f, wanted)
  local ok, value = f:pcall()
  local kind = not ok and tidepool.error_kind(value) or nil
  local fine
  if ok then
    fine = wanted[1] ~= nil and value == wanted[1]
  elseif kind then
    fine = wanted[kind]
  else
    fine = wanted.any_error or value == wanted.error
  end
  local how = ok and "values" or kind or "error"
  counts[how] = (counts[how] or 0) + 1
  if not fine then
    wrong = wrong + 1
    if wrong <= 10 then print(("wrong: %s: %s"):format(name, tostring(value))) end
  end
end

local function batch(n)
  local names, futures, wanted = {}, {}, {}
  for i = 1, n do
    local name = deck[random(1000)]
    names[i] = name
    futures[i], wanted[i] = kinds[name](some_executor())
  end
  plain:poll()
  for i = 1, n do check(names[i], futures[i], wanted[i]) end
end

-- ----------------------------------------------------------------- the run --

local function mean(list, from, to)
  local sum = 0
  for i = from, to do sum = sum + list[i] end
  return sum / (to - from + 1)
end

-- What states and executors keep, of code they saw and of large blocks, is bounded, but takes long
-- to fill at the rate of `shares`.
local function many(name, ex, number)
  local tasks = {}
  for i = 1, number do
    local f, wanted = kinds[name](ex)
    tasks[i] = { f, wanted }
  end
  for _, task in ipairs(tasks) do check(name, task[1], task[2]) end
end

for _, ex in ipairs { plain, replaced, bounded } do
  many("new_code", ex, 12000)
  for _ = 1, 100 do
    many("big_string", ex, 20)
    many("big_table", ex, 10)
  end
end

for _ = 1, math.max(200000, TASKS // 10) // BATCH do
  batch(BATCH)
  resident()
end

local samples = math.min(SAMPLES, math.max(100, TASKS // BATCH))
local batches = math.max(samples, math.ceil(TASKS / BATCH))
local size = math.max(1, math.ceil(TASKS / batches))
local sizes, started = {}, os.time()
for i = 1, batches do
  batch(size)
  if i * samples // batches > #sizes then
    local n = #sizes + 1
    sizes[n] = resident()
    if n * 20 // samples > (n - 1) * 20 // samples then
      print(("%3d %%  %9d tasks  %6d KiB  %5d s"):format(100 * n // samples, i * size, sizes[n],
        os.difftime(os.time(), started)))
      io.stdout:flush()
    end
  end
end

local fifth = samples // 5
local before, after = mean(sizes, 1, fifth), mean(sizes, samples - fifth + 1, samples)
local growth = after / before - 1
local names = {}
for name in pairs(counts) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do print(("%9d ended with %s"):format(counts[name], name)) end
print(("%9d callbacks, %d wrong ends"):format(called, wrong))
print(("resident: %.0f KiB before, %.0f KiB after: %+.2f %%; less than %g %% wanted"):format(
  before, after, 100 * growth, 100 * MOST))
table.sort(sizes)
print(("between %d and %d KiB"):format(sizes[1], sizes[#sizes]))
for _, ex in ipairs { plain, replaced, bounded } do ex:shutdown() end
local failed = (wrong > 0 and 1 or 0) + (growth < MOST and 0 or 1)
print(("%d passed, %d failed"):format(2 - failed, failed))
os.exit(failed == 0, true)
