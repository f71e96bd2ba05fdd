-- Many rounds of all operations at once, with few and many threads. TIDE_STRESS scales the
-- rounds, TIDE_SEED repeats a run.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, before_each, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function scaled(n) return math.max(1, math.ceil(n * h.stress)) end

local function echo(...) return ... end
local function work(n)
  local s = 0
  for i = 1, n do s = s + i end
  return s
end

-- Makes a random task. Returns its future and what it must give: values, or an error.
local function random_task(ex)
  local n = math.random(0, 300)
  local r = math.random(5)
  if r == 1 then return ex:submit(error, n), false, n end
  if r == 2 then return ex:submit(echo, n, { n }), true, n end
  if r == 3 then return ex:submit("math.abs", -n), true, n end
  if r == 4 then return ex:with({ priority = math.random(-2, 2) }):submit(work, n), true,
    n * (n + 1) // 2 end
  return ex:submit(function() return n end), true, n
end

local function check(entry)
  local f, ok, value = table.unpack(entry)
  if f:cancelled() then
    assert(entry.cancelled, "cancelled without a cancel")
    return
  end
  local got_ok, got = f:pcall()
  assert(got_ok == ok and got == value, "a wrong outcome")
end

local waits = {
  function(entries) for _, e in ipairs(entries) do e[1]:wait() end end,
  function(entries)
    local fs = {}
    for i, e in ipairs(entries) do fs[i] = e[1] end
    local done, not_done = tidepool.wait(fs)
    assert(#done == #fs and #not_done == 0)
  end,
  function(entries)
    local fs, n = {}, 0
    for i, e in ipairs(entries) do fs[i] = e[1] end
    for f in tidepool.as_completed(fs) do
      n = n + 1
      assert(f:done())
    end
    assert(n == #fs)
  end,
  function(entries)
    local left = {}
    for i, e in ipairs(entries) do left[i] = e[1] end
    while #left > 0 do
      local when = math.random() < 0.5 and "first_completed" or "first_exception"
      local _, rest = tidepool.wait(left, { return_when = when, timeout = 10 })
      left = rest
    end
  end,
}

local function round(ex)
  local entries, called, expected = {}, 0, 0
  for i = 1, math.random(1, 60) do
    entries[i] = table.pack(random_task(ex))
    if math.random() < 0.2 then
      entries[i].cancelled = entries[math.random(i)][1]:cancel() and nil
    end
    if math.random() < 0.3 then
      expected = expected + 1
      entries[i][1]:add_done_callback(function() called = called + 1 end)
    end
    if math.random() < 0.05 then collectgarbage "step" end
  end
  for _ = 1, math.random(0, 10) do
    local e = entries[math.random(#entries)]
    e[1]:cancel()
  end
  for _, e in ipairs(entries) do e.cancelled = e[1]:cancelled() end
  waits[math.random(#waits)](entries)
  for _, e in ipairs(entries) do check(e) end
  ex:poll()
  assert(called == expected, "callbacks")
end

describe("Stress:", function()
  before_each(function() h.seed "stress_spec" end)
  after_each(h.finish)

  for _, workers in ipairs { 1, 2, 4, 16, 3 * tidepool.cpu_count() } do
    it(("random submits, cancels and waits on %d workers"):format(workers), function()
      local ex = h.pool(workers)
      for _ = 1, scaled(30) do round(ex) end
      ex:shutdown()
      local s = ex:stats()
      assert.equal(s.submitted, s.finished + s.cancelled)
    end)
  end

  it("many executors, made and shut down", function()
    for i = 1, scaled(60) do
      local ex <close> = tidepool.executor {
        max_workers = math.random(1, 6),
        max_tasks_per_worker = i % 3 == 0 and math.random(1, 4) or nil,
        idle_timeout = i % 4 == 0 and 0 or nil,
        max_queue = i % 5 == 0 and math.random(1, 4) or nil,
      }
      local fs = {}
      for k = 1, math.random(0, 30) do fs[k] = ex:submit(work, k) end
      if i % 2 == 0 then
        ex:shutdown { wait = false, cancel_futures = math.random() < 0.5 }
      end
      for k, f in ipairs(fs) do
        local ok, value = f:pcall()
        assert(ok and value == k * (k + 1) // 2 or tidepool.error_kind(value) == "cancelled")
      end
    end
  end)

  it("executors dropped while they work", function()
    for _ = 1, scaled(40) do
      local ex = tidepool.executor(math.random(1, 6))
      local f
      for k = 1, math.random(1, 30) do f = ex:submit(work, k) end
      ex = nil -- luacheck: ignore 311
      if math.random() < 0.5 then collectgarbage() end
      f:result()
    end
  end)

  it("cancels that race with the workers", function()
    local ex = h.pool(4)
    for _ = 1, scaled(40) do
      local fs, cancelled = {}, 0
      for i = 1, 50 do fs[i] = ex:submit(gate.add, "ran") end
      for i = 50, 1, -1 do cancelled = cancelled + (fs[i]:cancel() and 1 or 0) end
      tidepool.wait(fs)
      local ran = 0
      for _, f in ipairs(fs) do ran = ran + (f:cancelled() and 0 or 1) end
      assert(ran + cancelled == 50)
    end
    ex:shutdown()
    local s = ex:stats()
    assert.equal(s.finished, gate.get "ran")
    assert.equal(s.submitted, s.finished + s.cancelled)
  end)

  it("maps of every sort, side by side", function()
    local ex = h.pool(4)
    for _ = 1, scaled(20) do
      local n = math.random(0, 400)
      local items = {}
      for i = 1, n do items[i] = i end
      local options = {
        chunksize = math.random() < 0.5 and math.random(1, 50) or "auto",
        buffersize = math.random() < 0.3 and math.random(1, 50) or nil,
        ordered = math.random() < 0.5,
      }
      local seen, count, leave = {}, 0, math.random(2 * n + 1)
      for i, y in ex:with(options):map(work, items) do
        assert(y == i * (i + 1) // 2 and not seen[i])
        seen[i] = true
        count = count + 1
        if count == leave then break end
      end
      assert(count == math.min(n, leave))
    end
  end)

  it("promises that other states set, cancel and wait for", function()
    local ex = h.pool(6)
    for _ = 1, scaled(40) do
      local p = tidepool.future()
      local fs = {}
      for i = 1, 4 do
        fs[i] = ex:submit(function()
          if i <= 2 then return p:pcall() end
          if i == 3 then return p:cancel() end
          return (pcall(p.set_result, p, 42))
        end)
      end
      local ok, value = p:pcall()
      assert(ok and value == 42 or tidepool.error_kind(value) == "cancelled")
      assert(fs[3]:result() ~= fs[4]:result(), "set and cancelled, or neither")
      for i = 1, 2 do assert(fs[i]:result() == ok) end
    end
  end)

  it("tasks that submit tasks", function()
    local ex = h.pool(3)
    local function tree(depth)
      if depth > 0 then
        for _ = 1, 3 do ex:submit(tree, depth - 1) end
      end
      gate.add "nodes"
    end
    ex:submit(tree, 4)
    gate.await("nodes", 121)
    assert.equal(121, gate.get "nodes")
  end)
end)
