-- The operations that spec/stress/oom_test.c runs while memory, or the system, fails: one row for
-- each operation and each kind of value.
--
-- `run(t, ex, p)` gets the module, an executor, and a promise that is cancelled afterwards, so
-- that no task waits for it for ever. It is dumped and loaded by itself: it has its arguments and
-- the globals of `prelude` alone. It returns, or raises the failure: where it expects an error it
-- raises any other one again (`expect`). More fields:
--   first     run before anything fails
--   fresh     nothing was submitted yet: the first submit and the opening of a worker fail, too
--   workers   how many the executor may have; 1
--   borrows   messages borrow long strings: run once more with the default memory, where the
--             owner's allocations fail; "alone": only so
--   racing    in a worker the clock advances by a millisecond each time it is read
-- SPDX-License-Identifier: MIT

local rows = {}

local function row(name, run, more)
  local new = { name = name, run = run }
  for field, value in pairs(more or {}) do new[field] = value end
  rows[#rows + 1] = new
end

local fresh, borrows = { fresh = true }, { borrows = true }

-- ------------------------------------------------ executors, their workers --

-- What the core makes; the library's Lua files are loaded by Lua.
row("load the module", function()
  local core = "tidepool.core"
  package.loaded[core] = nil
  assert(require(core).cpu_count() > 0)
end, fresh)

row("first submit, first worker", function(_, ex)
  local f = ex:submit(function() return helper(1) end)
  assert(f:result() == "a global")
end, fresh)

row("make an executor", function(t)
  local ex <close> = t.executor { max_workers = 2, thread_name_prefix = "row", idle_timeout = 10,
    max_tasks_per_worker = 5, max_queue = 7, on_full = "error", initializer = print,
    initargs = { 1, n = 2 } }
  assert(ex:name() == "row" and ex:stats().max_workers == 2 and tostring(ex):find "row")
end, borrows)

row("drop an executor", function(t)
  local f = t.executor(1):submit(echo, 1)
  collectgarbage()
  assert(f:result() == 1)
end)

row("start three workers", function(t)
  local ex <close>, fs = t.executor(3), {}
  for i = 1, 6 do fs[i] = ex:submit(echo, i) end
  for i = 1, 6 do assert(fs[i]:result() == i) end
  assert(ex:submit(echo, 7):result() == 7)
end, borrows)

row("initializer", function(t)
  local ex <close> = t.executor { max_workers = 1, initializer = function(x) begun = { x } end,
    initargs = { "begun" } }
  assert(ex:submit(function() return begun[1] end):result() == "begun")
end)

row("initializer that fails", function(t)
  local ex <close> = t.executor { max_workers = 1,
    initializer = function() error("as planned", 0) end }
  local f = ex:submit(echo, 1)
  local e = f:exception()
  expect(t.error_kind(e) == "broken" and e.message:find "as planned", e)
  local _, again = pcall(ex.submit, ex, echo, 2)
  expect(t.error_kind(again) == "broken", again)
end)

row("max_tasks_per_worker", function(t)
  local ex <close> = t.executor { max_workers = 1, max_tasks_per_worker = 1 }
  local f, g = ex:submit(echo, 1), ex:submit(echo, 2)
  assert(f:result() == 1 and g:result() == 2)
  assert(ex:submit(echo, 3):result() == 3)
end)

row("idle_timeout", function(t)
  local ex <close> = t.executor { max_workers = 1, idle_timeout = 0 }
  for i = 1, 3 do assert(ex:submit(echo, i):result() == i) end
end)

row("shutdown", function(t)
  local ex = t.executor(1)
  local f = ex:submit(echo, 1)
  assert(ex:shutdown { wait = false } and ex:shutdown { timeout = 100 } and ex:shutdown())
  local _, e = pcall(ex.submit, ex, echo, 1)
  expect(t.error_kind(e) == "shutdown", e)
  assert(f:result() == 1 and ex:stats().finished == 1)
end)

row("shutdown that cancels", function(t, _, p)
  local ex = t.executor(1)
  local f = ex:submit(function(q) return q:pcall() end, p)
  local queued, high = ex:submit(echo, 1), ex:with { priority = 1 }:submit(echo, 2)
  ex:shutdown { cancel_futures = true, timeout = 0 }
  p:cancel()
  assert(ex:shutdown())
  -- cancelled or not: the first may have failed, and the others have run
  assert(f:done() and queued:done() and high:done())
end)

row("many submits", function(_, ex)
  local fs = {}
  for i = 1, 40 do fs[i] = ex:submit(echo, i) end
  for i = 1, 40 do assert(fs[i]:result() == i) end
  fs = nil
  collectgarbage()
  assert(ex:submit(echo, fs):result() == nil and ex:stats().queued == 0)
end, borrows)

-- ----------------------------------------------------------------- values --

row("nothing", function(_, ex) assert(select("#", ex:submit(echo):result()) == 0) end)

row("nil and booleans", function(_, ex)
  local n = select("#", ex:submit(echo, nil, true, false, nil):result())
  assert(n == 4)
end)

row("numbers", function(_, ex)
  local i, x = ex:submit(echo, 1 << 62, 0.5):result()
  assert(i == 1 << 62 and x == 0.5)
end)

row("short strings", function(_, ex)
  local a, b = ex:submit(echo, "text", ("x"):rep(100)):result()
  assert(a == "text" and #b == 100)
end)

row("long strings", function(_, ex)
  local a, b = ex:submit(echo, long, long):result()
  assert(a == long and b == long)
end, { borrows = true, first = function() long = ("x"):rep(66000) end })

row("mapped strings", function(_, ex)
  assert(#ex:submit(function() return ("x"):rep(1600000) end):result() == 1600000)
end, { borrows = "alone" })

row("light userdata", function(_, ex) assert(ex:submit(echo, pointer):result() == pointer) end)

row("lists", function(_, ex)
  local v = { { 1, 2, 3 }, { 1.5, 2.5 }, { "a", "b", "a" }, { true, 1, "c" } }
  assert(same(v, ex:submit(echo, v):result()))
end)

row("tables", function(_, ex)
  local v = { x = { y = { z = 1 } }, [2.5] = false, [true] = 1, a = "b", b = "a", {}, {} }
  assert(same(v, ex:submit(echo, v):result()))
end)

row("large tables", function(_, ex)
  local v = {}
  for i = 1, 16 do v[i], v["k" .. i] = i, { i } end
  assert(same(v, ex:submit(echo, v):result()))
end)

row("cycles, metatables", function(_, ex)
  local v = setmetatable({}, { __index = { a = 1 } })
  v.v = v
  local r, s = ex:submit(echo, v, { v, v }):result()
  assert(r.v == r and r.a == 1 and s[1] == r and s[2] == r)
end)

row("closures", function(_, ex)
  local n, m = 0, { 5 }
  local function up() n = n + 1 return n end
  local function both(k) if k > 0 then return both(k - 1) end up() return n, m[1] end
  local a, b = ex:submit(both, 2):result()
  assert(a == 1 and b == 5)
  assert(ex:submit(echo, up):result()() == 1)
end)

row("new code", function(_, ex)
  for i = 1, 3 do assert(ex:submit(assert(load("return ...", "=" .. i)), i):result() == i) end
  assert(ex:submit(function() return assert(load "return 7") end):result()() == 7)
end)

row("globals that are sent along", function(_, ex)
  local function both(n) return helper(n) end
  local text, n = ex:submit(both, 2):result()
  assert(text == "a global" and n == 2)
  helped.text = "a global" -- what is sent along is read anew
  assert(ex:submit(both, 2):result() == "a global")
end)

row("C functions by name", function(_, ex)
  local p, w = ex:submit(echo, print, coroutine.wrap):result()
  assert(p == print and w == coroutine.wrap)
end)

row("C functions by pointer", function(_, ex)
  local a, b = ex:submit(cclosure):result()
  assert(a == "up" and b == 2)
  assert(ex:submit(echo, cclosure):result()() == "up")
end)

row("modules by name", function(_, ex)
  local m, g, s = ex:submit(echo, math, _G, io.stdout):result()
  assert(m == math and g == _G and s == io.stdout)
  assert(ex:submit("string.rep", "x", 2):result() == "xx")
end)

row("futures, executors", function(t, ex)
  local q = t.future()
  q:set_result(3, 4)
  local e, r = ex:submit(echo, ex, q):result()
  assert(e == ex and r == q and r:result() == 3)
end)

row("shares", function(t, ex)
  local v = { 1, { 2 }, helper, made }
  local s = t.share(v)
  assert(s:get() == v)
  local function use(h)
    local w = h:get()
    return w[2][1], (w[3]()), w[4], h
  end
  for _ = 1, 2 do
    local n, text, ab, h = ex:submit(use, s):result()
    assert(n == 2 and text == "a global" and ab == "ababab" and h == s)
  end
  s, v = nil, nil
  collectgarbage()
  assert(ex:submit(echo, s, v, 1):result() == nil)
end)

row("arrays", function(t, ex)
  local a = t.array("u16", { 1, 2, 3 })
  local s = a:slice(2)
  local b, c, d = ex:submit(function(x, y)
    x[1] = 7
    return y:copy(), x, x:slice(3)
  end, a, s):result()
  assert(rawequal(c, a) and a[1] == 7 and b[1] == 2 and d[1] == 3 and #a:tostring() == 6)
  assert(t.array("i8", s:totable())[2] == 3 and tostring(a):find "u16")
end)

row("arrays that are known", function(t, ex)
  local a, b = t.array("u8", 1), t.array("u8", 2)
  local function both(x, y) return y, x, a end
  for _ = 1, 3 do
    local y, x, z = ex:submit(both, a, b):result()
    assert(rawequal(x, a) and rawequal(y, b) and rawequal(z, a))
  end
end)

row("large arrays", function(t, ex)
  local a = t.array("f64", 1 << 19)
  assert(ex:submit(function(x) x[#x] = 2 return x:slice(#x) end, a):result()[1] == 2)
  assert(a[1 << 19] == 2)
end)

row("__transfer", function(_, ex)
  assert(ex:submit(echo, made):result() == "ababab")
  assert(ex:submit(function() return made end):result() == "ababab")
end)

row("many results", function(_, ex)
  local r = table.pack(ex:submit(function()
    local v = {}
    for i = 1, 300 do v[i] = i end
    return table.unpack(v)
  end):result())
  assert(r.n == 300 and r[300] == 300)
end)

-- ----------------------------------------------------------------- errors --

row("errors", function(t, ex)
  local f = ex:submit(function() error("words", 0) end)
  local e = f:exception()
  expect(e == "words" and (f:traceback() or "words"):find "words", e)
  e = ex:submit(error, { code = 3 }):exception()
  expect(type(e) == "table" and e.code == 3, e)
  e = ex:submit(error):exception()
  expect(e == "<no error object>", e)
  local ok
  ok, e = ex:submit(function()
    error(setmetatable({ 1 }, { __tostring = function() return "own words" end }))
  end):pcall()
  expect(not ok and type(e) == "table" and tostring(e) == "own words", e)
  ok, e = pcall(f.result, f)
  expect(not ok and e == "words" and t.error_kind(e) == nil, e)
end)

row("what cannot be sent", function(t, ex)
  local _, e = pcall(ex.submit, ex, echo, { a = { coroutine.create(print) } })
  expect(t.error_kind(e) == "transfer" and e.message:find "coroutine", e)
  e = ex:submit(function() return coroutine.create(print) end):exception()
  expect(t.error_kind(e) == "transfer" and e.message:find "coroutine", e)
  e = ex:submit(function() error(coroutine.create(print)) end):exception()
  expect(t.error_kind(e) == "transfer", e)
  _, e = pcall(t.share, coroutine.create(print))
  expect(t.error_kind(e) == "transfer", e)
end)

row("what cannot be rebuilt", function(t, ex)
  local e = ex:submit("string.nothing"):exception()
  expect(e ~= nil and tostring(e):find "nothing", e)
  local odd = setmetatable({}, { __transfer = function() return "string.nothing" end })
  e = ex:submit(echo, odd):exception()
  expect(t.error_kind(e) == "transfer", e)
  local f = ex:submit(function(x) return x end, made)
  assert(f:result() == "ababab")
end)

-- ---------------------------------------------------------------- futures --

row("methods of a future", function(_, ex)
  local f = ex:submit(echo, { 1 }, 2)
  f:result()
  assert(f:wait() and f:wait(0) and f:done() and not f:running() and not f:cancelled())
  local ok, v = f:pcall(1)
  assert(ok and v == f:result() and f:exception() == nil and f:traceback() == nil)
  assert(f:status() == "finished" and tostring(f):find "finished")
end)

row("timeouts", function(t, ex, p)
  local f = ex:submit(function(q) return q:pcall() end, p)
  local ok, e = pcall(f.result, f, 0)
  expect(not ok and t.error_kind(e) == "timeout", e)
  ok, e = f:pcall(0.000001)
  expect(not ok and t.error_kind(e) == "timeout", e)
  if f:wait(0) then f:result() end
  p:cancel()
  assert(f:wait())
end)

row("cancel", function(t, ex, p)
  local f, g = ex:submit(function(q) return q:pcall() end, p), ex:submit(echo, 1)
  local was = g:cancel()
  p:cancel()
  assert(f:wait() and g:wait())
  if was then
    local ok, e = pcall(g.result, g)
    expect(not ok and t.error_kind(e) == "cancelled", e)
  end
  local q = t.future()
  assert(q:cancel() and q:cancelled())
end)

row("priorities, names", function(t, ex)
  local view = ex:with { priority = 3, name = "named" }
  local f = view:submit(function() return require "tidepool".current_task().name end)
  local g = ex:with { priority = -1 }:with { name = "other" }:submit(echo, 1)
  assert(f:result() == "named" and g:result() == 1 and t.current_task() == nil)
end)

row("a full queue", function(t, _, p)
  local ex = t.executor { max_workers = 1, max_queue = 1, on_full = "error" }
  -- busy: a task that waits frees its place
  local f, g = ex:submit(function(q) while not q:done() do end end, p), ex:submit(echo, 1)
  local ok, e = pcall(ex.submit, ex, echo, 2)
  p:cancel()
  if ok then f:result() end -- which failed, and left its place free
  expect(not ok and t.error_kind(e) == "full", e)
  assert(f:wait() and g:result() == 1 and ex:shutdown())
end)

row("promises", function(t)
  local p, q, r = t.future(), t.future(), t.future()
  p:set_result({ 1, 2, echo }, nil)
  assert(p:result()[2] == 2)
  q:set_exception { why = 1 }
  assert(q:exception().why == 1)
  assert(r:set_running_or_notify_cancel() and not r:cancel())
  local ok, e = pcall(p.set_result, p)
  expect(not ok and t.error_kind(e) == "invalid_state", e)
end)

row("done-callbacks", function(t, ex, p)
  local f, seen = ex:submit(function(q) return q:pcall() end, p), {}
  f:add_done_callback(function() seen[1] = true end)
  f:add_done_callback(function() error "as planned" end)
  f:add_done_callback(function(g) seen[3] = g:result() end)
  p:cancel()
  f:wait()
  f:add_done_callback(function() seen[4] = true end)
  local q = t.future()
  q:add_done_callback(function(x) seen[5] = x:result() end)
  q:set_result(5)
  -- an error in one, that it was out of memory too, is a warning
  ex:poll()
  return seen
end)

-- ----------------------------------------------------------------- groups --

row("wait", function(t, ex, p)
  local fs = {}
  for i = 1, 3 do fs[i] = ex:submit(echo, i) end
  local done, rest = t.wait(fs)
  for i = 1, 3 do fs[i]:result() end
  assert(#done == 3 and #rest == 0)
  fs[4] = p
  done, rest = t.wait(fs, { return_when = "first_completed" })
  assert(#done == 3 and rest[1] == p)
  fs[5] = ex:submit(error, "as planned")
  done = t.wait(fs, { return_when = "first_exception", timeout = 100 })
  assert(#done == 4)
  done, rest = t.wait({ p }, { timeout = 0 })
  assert(#done == 0 and #rest == 1)
end)

row("as_completed", function(t, ex, p)
  local fs, n = { p }, 0
  for i = 1, 3 do fs[i + 1] = ex:submit(echo, i) end
  for f in t.as_completed(fs) do
    n = n + f:result()
    if n == 6 then break end
  end
  local _, e = pcall(function() for _ in t.as_completed({ p }, 0) do end end)
  expect(t.error_kind(e) == "timeout", e)
end)

-- ------------------------------------------------------------------- maps --

row("map", function(_, ex)
  local sum = 0
  for _, x in ex:map(function(x) return x * x end, { 1, 2, 3, 4, 5 }) do sum = sum + x end
  assert(sum == 55)
end)

row("map, chunks", function(_, ex)
  local n = 0
  for i, x in ex:with { chunksize = 3 }:map(function(x) return -x end, { 1, 2, 3, 4, 5, 6, 7 }) do
    n = n + 1
    assert(x == -i)
  end
  assert(n == 7)
end)

row("map, collect", function(_, ex)
  local view = ex:with { chunksize = 2 }
  local all = view:map(math.max, { 1, 5, 2 }, { 3, 4, 9 }):collect()
  assert(all.n == 3 and all[1] == 3 and all[2] == 5 and all[3] == 9)
  all = view:map("string.rep", { "a", "b" }, { 2, 3, 4 }):collect()
  assert(all.n == 2 and all[2] == "bbb")
end)

row("map, tables, counts", function(_, ex)
  local it = ex:with { chunksize = 2 }:map(function(x)
    if x == 1 then return end
    return { x }, x
  end, { 1, 2, 3 })
  local i, a = it()
  assert(i == 1 and a == nil)
  local j, b, c = it()
  assert(j == 2 and b[1] == 2 and c == 2 and it() == 3 and it() == nil)
end)

row("map, iterator function", function(_, ex)
  local k, sum = 0, 0
  local function next_item() if k < 6 then k = k + 1 return k, k * 2 end end
  for _, x in ex:with { buffersize = 3 }:map(function(a, b) return a + b end, next_item) do
    sum = sum + x
  end
  assert(sum == 63)
end)

row("map, unordered", function(_, ex)
  local sum = 0
  local view = ex:with { ordered = false, chunksize = 2, timeout = 100, priority = 1, name = "m" }
  for i, x in view:map(echo, { 1, 2, 3, 4, 5 }) do sum = sum + i + x end
  assert(sum == 30)
end)

row("map, errors", function(t, ex)
  local it = ex:with { chunksize = 3 }:map(function(x)
    if x == 2 then error({ x }, 0) end
    return x == 3 and coroutine.create(print) or x
  end, { 1, 2, 3 })
  assert(it() == 1)
  local ok, e = pcall(it)
  expect(not ok and type(e) == "table" and e[1] == 2 and type(it:traceback()) == "string", e)
  ok, e = pcall(it)
  expect(not ok and t.error_kind(e) == "transfer", e)
  assert(it() == nil)
end)

row("map, refusals", function(t, ex)
  local odd = setmetatable({}, { __transfer = function() return "string.nothing" end })
  local it = ex:with { chunksize = 2 }:map(echo, { odd, 2 })
  local ok, e = pcall(it)
  expect(not ok and t.error_kind(e) == "transfer", e)
  local i, x = it()
  assert(i == 2 and x == 2)
  ok, e = pcall(ex.map, ex, echo, { 1, coroutine.create(print) })
  expect(not ok and t.error_kind(e) == "transfer" and e.message:find "item 2", e)
end)

row("map, closed", function(t, ex, p)
  for _, x in ex:map(echo, { 1, 2, 3, 4, 5, 6, 7, 8 }) do if x == 2 then break end end
  local it = ex:with { timeout = 0 }:map(function(q) return q:pcall() end, { p })
  local ok, e = pcall(it)
  expect(not ok and t.error_kind(e) == "timeout", e)
  it:close()
end)

row("map, chunks that are shared", function(_, ex)
  local all = ex:with { chunksize = 12 }:map(function(x) return x end,
    { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }):collect()
  assert(all.n == 12 and all[12] == 12)
  all = ex:with { chunksize = 6 }:map(function(x) return { x } end,
    { "a", "b", "c", "d", "e", "f" }):collect()
  assert(all[6][1] == "f")
end, { workers = 2, racing = true })

-- ---------------------------------------------------------- inside of tasks --

row("submit in a task", function(_, ex)
  local f = ex:submit(function(pool)
    local g = pool:submit(echo, { 1 })
    g:add_done_callback(print_nothing)
    return g
  end, ex)
  assert(f:result():result()[1] == 1)
end)

row("wait for a task in a task", function(_, ex)
  local n = ex:submit(function(pool) return pool:submit(echo, 3):result() end, ex):result()
  assert(n == 3)
end)

row("limits", function(t, ex)
  local view = ex:with { time_limit = 100, memory_limit = 1 << 30 }
  assert(view:submit(echo, 1):result() == 1)
  local e = ex:with { time_limit = 0.001 }:submit(function() while true do end end):exception()
  expect(t.error_kind(e) == "time_limit", e)
end)

row("interrupt", function(t, ex, p)
  local f = ex:submit(function(q) q:pcall() while true do end end, p)
  p:cancel()
  f:interrupt()
  local ok, e = f:pcall()
  local kind = t.error_kind(e)
  expect(not ok and (kind == "interrupted" or kind == "cancelled"), e)
end)

row("isolation", function(t)
  local ex <close> = t.executor { max_workers = 1, isolation = "task" }
  assert(ex:submit(echo, 1):result() == 1 and ex:submit(echo, 2):result() == 2)
end)

row("wait in a task", function(t, ex)
  local q = t.future()
  local n = ex:submit(function(r)
    local tp = require "tidepool"
    local mine = tp.future()
    mine:set_result { 4 }
    r:set_result("set", { 1 })
    local done = tp.wait { mine, r }
    return #done + mine:result()[1]
  end, q):result()
  assert(n == 6)
  local text, list = q:result()
  assert(text == "set" and list[1] == 1)
end)

row("share in a task", function(_, ex)
  local s, a = ex:submit(function()
    local tp = require "tidepool"
    return tp.share { 1, echo }, tp.array("i32", { 5, 6 }):slice(2)
  end):result()
  assert(s:get()[1] == 1 and s:get()[2](3) == 3 and a[1] == 6)
end)

row("map in a task", function(_, ex)
  local n = ex:submit(function(pool)
    local inner = require "tidepool".executor(1)
    local sum = 0
    for _, x in inner:map(echo, { 1, 2, 3 }) do sum = sum + x end
    inner:shutdown()
    return sum, pool:stats().running
  end, ex):result()
  assert(n == 6)
end)

row("programs", function(_, ex)
  local ok, how, code = ex:submit("os.execute", "exit 3"):result()
  expect(ok == nil and how == "exit" and code == 3, how)
end)

-- ------------------------------------------------------------------- hosts --

row("a host's calls", function(_, ex) host_calls(ex) end)

row("values for hosts", function(t, ex)
  assert(sendable({ 1 }, echo) == nil)
  local e = sendable(1, coroutine.create(print))
  expect(t.error_kind(e) == "transfer", e)
  assert(ex:stats().queued == 0)
end)

-- Cases that once failed.
row("an outcome kept", function()
  local r = f:result()
  assert(r[2][1] == 2)
end, {
  first = function()
    f = require "tidepool".future()
    f:set_result { 1, { 2 } }
  end,
})

-- It fills the cache of codes: the next function flushes it.
row("a flushed cache", function(t)
  local q = t.future()
  q:set_result(assert(load "return 1024"))
  assert(q:result()() == 1024)
end, {
  first = function()
    local t = require "tidepool"
    for i = 1, 4096 do t.future():set_result(load("return " .. i)) end
  end,
})

row("no stack", function() fail_promise() end)

-- ----------------------------------------------------------------- prelude --

-- Run in each owner's state before anything fails. Globals of it may be sent along with a task.
local function prelude()
  helped = { text = "a global" }
  function helper(x) return helped.text, x end
  made = setmetatable({}, { __transfer = function() return "string.rep", "ab", 3 end })
  function echo(...) return ... end
  function print_nothing() end
  function expect(ok, e) if not ok then error(e, 0) end end
  function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then return a == b end
    for k, v in pairs(a) do if not same(v, b[k]) then return false end end
    for k in pairs(b) do if a[k] == nil then return false end end
    return true
  end
  ubox = #("x"):rep(5000) -- Lua never makes its own metatable for this again after a failure
  require "tidepool"
end

-- Run before the rows that are not fresh.
local function warm(t, ex)
  ex:submit(function(f)
    require "tidepool"
    return f, #("x"):rep(5000)
  end, print):result()
  ex:with { chunksize = 2 }:map(echo, { 1, 2, 3 }):collect()
  t.future():set_result()
end

return rows, prelude, warm
