-- owners: what one owner of owners_stress_test.c does: random turns with executors and futures of
-- its own, of other owners and of the program.
--
-- Returns a function (seed, turns). Each executor and future has a number. What may end a task in
-- another way than by itself is first allowed with host.allow. Each outcome is then checked: the
-- right values, or a kind that was allowed.
--
-- SPDX-License-Identifier: MIT
local host = require "stress.host"
local tidepool = require "tidepool"

local bits = host.bits
local STOPPED = bits.interrupted | bits.cancelled
local random = math.random

local function one_in(n) return random(n) == 1 end
local function any(list) return list[random(#list)] end

-- Whether a future, of that executor, may end with that kind.
local function is_allowed(kind, id, ex)
  return (bits[kind] or 0) & (host.allowed(id) | host.allowed(ex)) ~= 0
end

-- ------------------------------------------------------------------- tasks --
-- Each kind: what is called, with what, what must come back, and the options that it needs.

local kinds = {}

local function echo(x) return x end

function kinds.number()
  local n = random(1000)
  return echo, { n }, n
end

function kinds.named()
  local n = random(1000)
  return "math.abs", { -n }, n
end

function kinds.values()
  local n = random(300)
  local t = {}
  for i = 1, n do t[i] = { i, tostring(i) } end
  return function(list)
    local sum = 0
    for _, pair in ipairs(list) do sum = sum + pair[1] end
    return sum, list
  end, { t }, n * (n + 1) // 2
end

-- A long string, which the message borrows.
function kinds.text()
  local text = ("x"):rep(random(60000, 140000))
  return function(s) return #s, s .. "!" end, { text }, #text
end

function kinds.error()
  local n = random(1000)
  return error, { n, 0 }, nil, { error = n }
end

function kinds.error_object()
  local n = random(1000)
  return function(x)
    error(setmetatable({ code = x }, { __tostring = function() return "text" end }))
  end, { n }, nil, { error = n }
end

function kinds.unsendable()
  return function() return coroutine.create(print) end, {}, nil,
    { allowed = bits.transfer, always = true }
end

function kinds.work()
  return function(n)
    local t = { 0 }
    for i = 1, n do t = { t[1] + i } end
    return t[1]
  end, { 2000 }, 2001000
end

function kinds.shared()
  local s = tidepool.share { 1, 2, { 39 } }
  return function(h)
    local v = h:get()
    return v[1] + v[2] + v[3][1]
  end, { s }, 42
end

function kinds.array()
  local a = tidepool.array("i64", random(1, 2000))
  a:fill(1)
  return function(x)
    x:add(1, 4)
    return x[1], x:slice(1, 1)
  end, { a }, 5
end

-- Code that does not end by itself, in all sorts of places.
local endless = {
  function() while true do end end,
  function() while true do pcall(error) end end,
  function() while true do pcall(function() while true do end end) end end,
  function() coroutine.wrap(function() while true do end end)() end,
  function() while true do coroutine.wrap(pcall)(function() while true do end end) end end,
  function() xpcall(error, function() while true do end end) while true do end end,
  function()
    local _ <close> = setmetatable({}, { __close = function() while true do end end })
    error "out"
  end,
  function()
    setmetatable({}, { __gc = function() while true do end end })
    collectgarbage()
    while true do end
  end,
  function() while true do (("x"):rep(1000)):gsub(".", function() end) end end,
  function() table.sort({ 3, 1, 2 }, function() while true do end end) end,
  function() require "tidepool".future():result() end,
  function()
    local never = require "tidepool".future()
    while true do pcall(never.result, never) end
  end,
  function() while not require "tidepool".current_task():interrupted() do end while true do end end,
}

function kinds.endless()
  return any(endless), {}, nil, { time_limit = random(1, 5) / 1000 * host.slow, always = true }
end

local greedy = {
  function() return ("x"):rep(1 << 26) end,
  function()
    local t = {}
    while true do t = { t } end
  end,
  function()
    local s = "x"
    while true do
      local ok, more = pcall(function() return s .. s end)
      if ok then s = more end
    end
  end,
}

function kinds.greedy()
  return any(greedy), {}, nil, { memory_limit = random(1, 20) * 50000, always = true }
end

-- What a task gets of a child that it submitted to executor `ex`.
local function child(ex, id, fn, ...)
  local ok, f = pcall(ex.submit, ex, fn, ...)
  if ok then return f end
  local kind = tidepool.error_kind(f)
  if kind and is_allowed(kind, id, id) then return nil end
  error("a child was refused: " .. tostring(f), 0)
end

-- Whether a task may have caught `err` while it used executor `id`, or is itself requested to end.
local function excused(err, id)
  local kind = tidepool.error_kind(err)
  return kind and is_allowed(kind, id, id) or tidepool.current_task():interrupted()
end

local function of_child(f, id, wanted)
  if not f then return end
  local ok, value = f:pcall()
  if ok then
    if value ~= wanted and wanted ~= nil then error("a child's value is wrong", 0) end
    return
  end
  if excused(value, id) then return end
  error("a child failed: " .. tostring(value), 0)
end

local ways = {
  function(f) f:wait() end,
  function(f) f:wait(0.0005) f:wait() end,
  function(f) tidepool.wait { f } end,
  function(f) tidepool.wait({ f }, { timeout = 0.001 }) end,
  function(f) tidepool.wait({ f, f }, { return_when = "first_completed" }) end,
  function(f) for _ in tidepool.as_completed { f } do end end,
  function(f) pcall(function() for _ in tidepool.as_completed({ f }, 0.0005) do end end) end,
  function(f) coroutine.wrap(function() f:wait() end)() end,
  function(f)
    local called
    f:add_done_callback(function() called = true end)
    f:wait()
    tidepool.wait { f }
    if not called then error("a callback was not called", 0) end
  end,
  function(f) f:cancel() end,
}
local CANCELS = #ways

local function fork(ex, id, self, n)
  if n == 0 then return 0 end
  local list = {}
  for i = 1, 2 do list[i] = child(ex, id, self, ex, id, self, n - 1) end
  for i = 1, 2 do of_child(list[i], id) end
  return n
end

function kinds.fork(own)
  local n = random(3)
  return fork, { own.ex, own.id, fork, n }, n
end

-- A child in any executor, waited for in any way.
function kinds.elsewhere(_, other)
  local way = random(#ways)
  return function(ex, id, how)
    local f = child(ex, id, echo, 7)
    if not f then return 7 end
    ways[how](f)
    if how == CANCELS then
      f:wait()
      return 7
    end
    of_child(f, id, 7)
    return 7
  end, { other.ex, other.id, way }, 7
end

function kinds.map(own)
  return function(ex, id)
    local ok, err = pcall(function()
      local sum = 0
      for _, y in ex:with { chunksize = 2 }:map(echo, { 1, 2, 3, 4, 5 }) do sum = sum + y end
      if sum ~= 15 then error("a map's sum", 0) end
    end)
    if not ok and not excused(err, id) then error(err, 0) end
    return 1
  end, { own.ex, own.id }, 1
end

-- An executor of the worker's own; it closes with the worker's state.
function kinds.inner()
  return function(wait)
    local ex = tidepool.executor { max_workers = 1, daemon = not wait }
    local f = ex:submit(echo, 3)
    if wait then return f:result() end
    ex:submit(function() for i = 1, 1000 do tostring(i) end end)
    return 3
  end, { one_in(2) }, 3
end

-- Children that no task waits for.
function kinds.dropped(own)
  return function(ex, id)
    for i = 1, 3 do child(ex, id, echo, i) end
    return 1
  end, { own.ex, own.id }, 1
end

-- Closes an executor from inside of one.
function kinds.closer(_, other)
  local flags = any { "cancel_futures", "interrupt", "wait" }
  return function(ex, id, flag)
    if not one_in(6) then return 1 end
    host.allow(id, bits.shutdown | (flag ~= "wait" and STOPPED or 0))
    local ok, err = pcall(ex.shutdown, ex, {
      wait = one_in(2), timeout = random() * 0.01, [flag] = flag ~= "wait",
    })
    if not ok and tidepool.error_kind(err) ~= "deadlock" and not excused(err, id) then
      error(err, 0)
    end
    return 1
  end, { other.ex, other.id, flags }, 1
end

-- Cancels or interrupts a task of any owner.
function kinds.meddler()
  return function(place)
    local v = host.take(place)
    if v and v.what == "future" then
      host.allow(v.id, STOPPED)
      if one_in(2) then v.f:interrupt() else v.f:cancel() end
      v.f:wait(0.001)
    end
    return 1
  end, { random(0, 100) }, 1
end

-- A promise that others set, or that is never set.
function kinds.promise()
  local p = tidepool.future()
  host.put(random(0, 100), { what = "promise", p = p })
  return function(promise)
    local ok, v = promise:pcall()
    if not ok and tidepool.error_kind(v) ~= "cancelled" then error(v, 0) end
    return 1
  end, { p }, 1, { time_limit = 0.01 * host.slow }
end

-- Two tasks that wait for each other: kind deadlock for one of them or both, which they catch.
function kinds.ring(_, other)
  local p = tidepool.future()
  local function first(promise)
    local ok, second = promise:pcall()
    if ok then pcall(second.wait, second) end
    return 1
  end
  local function after(f)
    local ok, second = pcall(other.ex.submit, other.ex, function(before)
      pcall(before.wait, before)
      return 1
    end, f)
    if ok then p:set_result(second) else p:cancel() end
  end
  return first, { p }, 1, { after = after }
end

local kind_names = {}
for name in pairs(kinds) do kind_names[#kind_names + 1] = name end
table.sort(kind_names)

-- ------------------------------------------------------------------- owner --

-- Executors {ex, id}, and futures {f, id, ex, value, error, kind}
local executors, futures = {}, {}
-- Numbers of all executors that this state made, and what its end does to them.
local ends = {}

local function new_executor()
  local allowed = 0
  local options = { max_workers = random(4) }
  if one_in(3) then options.max_tasks_per_worker = random(5) end
  if one_in(3) then options.idle_timeout = any { 0, 0.0005, 0.01 } end
  if one_in(3) then
    options.max_queue = random(8)
    options.on_full = any { "block", "error" }
    if options.on_full == "error" then allowed = allowed | bits.full end
  end
  if one_in(6) then options.isolation = "task" end
  if one_in(4) then
    options.time_limit = random(1, 20) / 1000 * host.slow
    allowed = allowed | bits.time_limit
  end
  if one_in(4) then
    options.memory_limit = 8 << 20
    allowed = allowed | bits.memory_limit
  end
  if one_in(3) then options.daemon = true end
  if one_in(20) then
    options.initializer = function() if one_in(2) then error "no worker" end end
    allowed = allowed | bits.broken
  end
  if one_in(4) then options.spin_time = 0 end
  local e = { ex = tidepool.executor(options), id = host.new(allowed) }
  ends[e.id] = bits.shutdown | (options.daemon and STOPPED or 0)
  executors[#executors + 1] = e
  return e
end

local function some_executor()
  if #executors == 0 or #executors < 3 and one_in(10) then return new_executor() end
  if one_in(3) then
    local ex, id = host.executor(random(0, 100))
    return { ex = ex, id = id }
  end
  return any(executors)
end

local function remember(r)
  if #futures < 30 then
    futures[#futures + 1] = r
  else
    futures[random(30)] = r
  end
  return r
end

-- Checks the outcome of a future that is done.
local function judge(r)
  local values = table.pack(r.f:pcall())
  if values[1] then
    if r.always or r.error or values[2] ~= r.value then
      error(("%s: a wrong value: %s"):format(r.kind, tostring(values[2])))
    end
    if r.cancelled or r.interrupted then error(r.kind .. ": stopped, and has a value") end
    return
  end
  local err = values[2]
  local kind = tidepool.error_kind(err)
  if kind then
    if not is_allowed(kind, r.id, r.ex) then
      error(("%s: a wrong end: %s"):format(r.kind, tostring(err)))
    end
  elseif r.error == nil or (type(err) == "table" and err.code or err) ~= r.error then
    error(("%s: a wrong error: %s"):format(r.kind, tostring(err)))
  end
  if r.cancelled and kind ~= "cancelled" then error(r.kind .. ": not cancelled") end
  if r.interrupted and kind ~= "cancelled" and kind ~= "interrupted" then
    -- a limit may have been first
    if kind ~= "time_limit" and kind ~= "memory_limit" then error(r.kind .. ": not interrupted") end
  end
end

local function submit()
  local own, other = some_executor(), some_executor()
  local kind = any(kind_names)
  local fn, args, value, more = kinds[kind](own, other)
  more = more or {}
  local allowed = more.allowed or 0
  local options = {}
  if more.time_limit or one_in(10) then
    options.time_limit = more.time_limit or random(1, 20) / 1000 * host.slow
    allowed = allowed | bits.time_limit
  end
  if more.memory_limit or one_in(10) then
    options.memory_limit = more.memory_limit or 4000000
    allowed = allowed | bits.memory_limit
  end
  if one_in(4) then options.priority = random(-2, 2) end
  if one_in(10) then options.name = kind end
  local id = host.new(allowed)
  local ok, f = pcall(function()
    local target = next(options) and own.ex:with(options) or own.ex
    return target:submit(fn, table.unpack(args))
  end)
  if not ok then
    local why = tidepool.error_kind(f)
    if not (why and is_allowed(why, own.id, own.id)) then
      error(kind .. ": refused: " .. tostring(f))
    end
    return
  end
  if more.after then more.after(f) end
  local r = remember {
    what = "future", f = f, id = id, ex = own.id, kind = kind,
    value = value, error = more.error, always = more.always,
  }
  if one_in(5) then
    f:add_done_callback(function(done) assert(done:done(), "called too early") end)
  end
  if one_in(5) then host.put(random(0, 100), r) end
end

local function map()
  local e = some_executor()
  local n = random(0, 60)
  local items = {}
  for i = 1, n do items[i] = i end
  local options = {
    chunksize = one_in(2) and random(20) or "auto", ordered = one_in(2),
    buffersize = one_in(3) and random(30) or nil,
    timeout = one_in(5) and random() * 0.01 or nil,
  }
  local ok, it = pcall(function()
    return (e.ex:with(options):map(function(x)
      if x % 17 == 0 then error(x, 0) end
      return x * x
    end, items))
  end)
  local function legal(err)
    local kind = tidepool.error_kind(err)
    return kind and (is_allowed(kind, e.id, e.id) or kind == "timeout" and options.timeout)
  end
  if not ok then
    if not legal(it) then error("map: refused: " .. tostring(it)) end
    return
  end
  local seen, whole = 0, true
  local leave = one_in(4) and random(n + 1) or n + 2
  for _ = 1, 2 * n + 2 do
    local fine, i, y = pcall(it)
    if fine and i == nil then break end
    if fine then
      assert(y == i * i, "map: a wrong value")
      seen = seen + 1
    elseif math.type(i) == "integer" then
      assert(i % 17 == 0, "map: a wrong error")
      seen = seen + 1
    else
      if not legal(i) then error("map: a wrong end: " .. tostring(i)) end
      whole = false
      if tidepool.error_kind(i) == "timeout" then break end
    end
    if seen >= leave then
      whole = false
      it:close()
      break
    end
  end
  assert(not whole or seen == n, "map: not all items")
end

-- A future of this owner, or of another one; or nil
local function some_future()
  if #futures > 0 and not one_in(4) then return any(futures) end
  if one_in(2) then
    local f, id, ex, value = host.future(random(0, 100))
    return f and { f = f, id = id, ex = ex, value = value, kind = "shared" }
  end
  local v = host.take(random(0, 100))
  return v and v.what == "future" and v
end

local function forget(r)
  for i, at in ipairs(futures) do
    if at == r then table.remove(futures, i) return end
  end
end

local turns = {}

turns[#turns + 1] = submit
turns[#turns + 1] = submit
turns[#turns + 1] = submit
turns[#turns + 1] = submit
turns[#turns + 1] = submit
turns[#turns + 1] = map

turns[#turns + 1] = function() -- cancel
  local r = some_future()
  if not r then return end
  host.allow(r.id, bits.cancelled)
  if r.f:cancel() then r.cancelled = true end
end

turns[#turns + 1] = function() -- interrupt
  local r = some_future()
  if not r then return end
  host.allow(r.id, STOPPED)
  if r.f:interrupt() then r.interrupted = true end
end

turns[#turns + 1] = function() -- read an outcome
  local r = some_future()
  if r and (r.f:done() or r.f:wait(random() * 0.002)) then judge(r) end
end

turns[#turns + 1] = function() -- wait for one
  local r = some_future()
  if not r then return end
  if one_in(2) then r.f:wait() end
  pcall(r.f.result, r.f)
  judge(r)
  forget(r)
end

turns[#turns + 1] = function() -- wait for many
  local list, by = {}, {}
  for i = 1, random(8) do
    local r = some_future()
    if r and not by[r.f] then
      list[#list + 1] = r.f
      by[r.f] = r
    end
    if i > #list + 3 then break end
  end
  if #list == 0 then return end
  local done
  if one_in(2) then
    done = tidepool.wait(list, {
      return_when = any { "all_completed", "first_completed", "first_exception" },
      timeout = one_in(2) and random() * 0.003 or nil,
    })
  else
    local timeout = one_in(2) and random() * 0.003 or nil
    done = {}
    local ok, err = pcall(function()
      for f in tidepool.as_completed(list, timeout) do done[#done + 1] = f end
    end)
    assert(ok or tidepool.error_kind(err) == "timeout", err)
  end
  for _, f in ipairs(done) do judge(by[f]) end
end

turns[#turns + 1] = function() -- what others sent
  local v = host.take(random(0, 100))
  if not v then return end
  if v.what == "executor" then
    if #executors < 6 then executors[#executors + 1] = { ex = v.ex, id = v.id } end
  elseif v.what == "future" then
    remember(v)
  elseif v.what == "promise" then
    local p = v.p
    local n = random(4)
    if n == 1 then pcall(p.set_result, p, { 1 }) end
    if n == 2 then p:cancel() end
    if n == 3 then pcall(p.set_running_or_notify_cancel, p) pcall(p.set_result, p, 1) end
  end
end

turns[#turns + 1] = function() -- for others
  local e = any(executors)
  if e then host.put(random(0, 100), { what = "executor", ex = e.ex, id = e.id }) end
end

turns[#turns + 1] = function() -- drop a future
  if #futures > 0 then table.remove(futures, random(#futures)) end
end

turns[#turns + 1] = function() -- drop an executor, perhaps after its end
  if #executors == 0 or not one_in(4) then return end
  local e = table.remove(executors, random(#executors))
  host.allow(e.id, bits.shutdown)
  if one_in(2) then return end
  local cancel, interrupt = one_in(3), one_in(3)
  host.allow(e.id, (cancel and bits.cancelled or 0) | (interrupt and STOPPED or 0))
  local ended = e.ex:shutdown {
    wait = not one_in(3), cancel_futures = cancel, interrupt = interrupt,
    timeout = one_in(3) and random() * 0.002 or nil,
  }
  assert(type(ended) == "boolean")
end

turns[#turns + 1] = function()
  if one_in(10) then collectgarbage() else collectgarbage "step" end
end

turns[#turns + 1] = function()
  local e = any(executors)
  if not e then return end
  e.ex:poll()
  local s = e.ex:stats()
  assert(s.submitted == s.queued + s.running + s.finished + s.cancelled, "the counts")
end

return function(seed, n)
  math.randomseed(seed)
  for _ = 1, n do
    any(turns)()
    host.operations(1)
  end
  if one_in(2) then -- else the state closes on what runs
    for _, r in ipairs(futures) do
      r.f:wait()
      judge(r)
    end
  end
  for id, allowed in pairs(ends) do host.allow(id, allowed) end
end
