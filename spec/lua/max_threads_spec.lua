-- How many threads an executor has: max_workers once tasks have waited, never more than
-- max_threads, and what tasks that wait do when no other thread may start.
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local gate = require "gate"
local tidepool = require "tidepool"

local function wait_long(p) return p:result(600) end

local function runs(ex, n)
  h.eventually(function() return ex:stats().running == n end, n .. " tasks run")
end

describe("After tasks waited", function()
  after_each(h.finish)

  it("a pool keeps max_workers threads, and their states", function()
    local ex = h.pool { max_workers = 2, initializer = function() gate.add "init" end }
    for round = 1, 5 do
      local p, fs = tidepool.future(), {}
      for i = 1, 20 do fs[i] = ex:submit(wait_long, p) end
      runs(ex, 20)
      p:set_result(round)
      for i = 1, 20 do assert.equal(round, fs[i]:result(60)) end
      h.eventually(function()
        local s = ex:stats()
        return s.workers == 2 and s.idle == 2
      end, "two threads are left")
      assert.equal(2, core.live().states)
    end
    local made = gate.get "init"
    for i = 1, 10 do assert.equal(i, ex:submit(math.abs, -i):result()) end
    assert.equal(made, gate.get "init")
  end)

  it("no thread is started without need", function()
    local ex = h.pool(8)
    local f = ex:submit(function(ex_) return ex_:submit(math.abs, -3):result(600) end, ex)
    assert.equal(3, f:result(60))
    h.eventually(function() return ex:stats().idle == 2 end, "two threads are idle")
    assert.equal(2, ex:stats().workers)
  end)
end)

describe("max_threads", function()
  after_each(h.finish)

  it("bounds all threads, whatever waits", function()
    local ex = h.pool { max_workers = 2, max_threads = 5 }
    local p, fs = tidepool.future(), {}
    for i = 1, 100 do
      fs[i] = ex:submit(i % 2 == 0 and wait_long or function(p_)
        return #require "tidepool".wait({ p_ }, { return_when = "first_completed" })
      end, p)
    end
    runs(ex, 5)
    assert.equal(5, ex:stats().workers)
    assert.is_true(core.live().threads <= 5)
    p:set_result(1)
    for i = 1, 100 do assert.equal(1, fs[i]:result(60)) end
    h.eventually(function() return ex:stats().workers == 2 end, "two threads are left")
  end)

  it("is 4 * max_workers + 64 by default, and for 0", function()
    for _, max_threads in ipairs { false, 0 } do
      local ex = h.pool { max_workers = 1, max_threads = max_threads or nil }
      local p, fs = tidepool.future(), {}
      for i = 1, 80 do fs[i] = ex:submit(wait_long, p) end
      runs(ex, 68)
      assert.equal(68, ex:stats().workers)
      p:set_result(1)
      for i = 1, 80 do fs[i]:result(60) end
    end
  end)

  it("must not be less than max_workers", function()
    local message = h.fails("max_threads", tidepool.executor, { max_workers = 4, max_threads = 3 })
    h.contains("max_workers (4)", message)
    h.contains("got 3", message)
    for _, n in ipairs { -1, 1.5, "x", true } do
      h.fails("max_threads", tidepool.executor, { max_threads = n })
    end
  end)

  it("bounds the default of max_workers", function()
    assert.equal(1, h.pool({ max_threads = 1 }):stats().max_workers)
  end)

  for _, threads in ipairs { 1, 2 } do
    it(("continues in all ways to wait, %d threads"):format(threads), function()
      local ex = h.pool { max_workers = 1, max_threads = threads, max_queue = 3 }
      local got = ex:submit(function(ex_)
        local pool = require "tidepool"
        local function square(x) return x * x end
        local sum = 0
        local function start()
          local list = {}
          for i = 1, 5 do list[i] = ex_:submit(square, i) end -- more than the queue holds
          return list
        end
        for _, v in ex_:map(square, { 1, 2, 3 }) do sum = sum + v end
        for _, v in ex_:with { ordered = false }:map(square, { 1, 2, 3 }) do sum = sum + v end
        for _, v in ex_:with { timeout = 600 }:map(square, { 1, 2, 3 }) do sum = sum + v end
        sum = sum + #pool.wait(start()) + #pool.wait(start(), { timeout = 600 })
        assert(#pool.wait(start(), { return_when = "first_completed" }) >= 1)
        for f in pool.as_completed(start()) do sum = sum + f:result() end
        for f in pool.as_completed(start(), 600) do sum = sum + f:result(600) end
        assert(start()[3]:wait(600))
        return sum
      end, ex):result(300)
      assert.equal(14 * 3 + 10 + 55 * 2, got)
      assert.is_true(ex:stats().workers <= threads)
    end)
  end

  it("does not delay for ever a task that waits again and again with short limits", function()
    local ex = h.pool { max_workers = 1, max_threads = 1 }
    local f = ex:submit(function(ex_)
      local child = ex_:submit(math.abs, -5)
      while true do
        local ok, value = child:pcall(0.001)
        if ok then return value end
      end
    end, ex)
    assert.equal(5, f:result(60))
  end)

  it("keeps the worker of a wait for something else", function()
    local ex, other = h.pool { max_workers = 1, max_threads = 1 }, h.pool(1)
    local g = gate.new()
    local f = ex:submit(function(other_, g_)
      return other_:submit(function(gate_)
        gate.wait(gate_)
        return "other"
      end, g_):result()
    end, other, g)
    local behind = ex:submit(math.abs, -1)
    gate.arrived(g, 1)
    assert.equal("pending", behind:status())
    gate.open(g)
    assert.equal("other", f:result(60))
    assert.equal(1, behind:result(60))
  end)

  -- Each wait takes a nested worker's part of a C stack, and there is no thread with another one.
  local function by_result(ex, self, n)
    return n == 0 and 0 or 1 + ex:submit(self, ex, self, n - 1):result()
  end
  local function by_wait(ex, self, n)
    if n == 0 then return 0 end
    local done = require "tidepool".wait({ ex:submit(self, ex, self, n - 1) },
      { return_when = "first_completed" })
    return 1 + done[1]:result()
  end
  local function by_map(ex, self, n)
    if n == 0 then return 0 end
    local sum = 1
    for _, v in ex:with { ordered = false }:map(self, { ex }, { self }, { n - 1 }) do
      sum = sum + v
    end
    return sum
  end

  for name, how in pairs { result = by_result, wait = by_wait, map = by_map } do
    it(("runs what is waited for in its place, as far as C stacks go: %s"):format(name), function()
      for _, threads in ipairs(h.sanitized and { 1 } or { 1, 2 }) do -- few: a state for each wait
        local ex = h.pool { max_workers = 1, max_threads = threads }
        assert.equal(30, ex:submit(how, ex, how, 30):result(300))
        h.raises("deadlock", function() return ex:submit(how, ex, how, 9000):result(600) end)
        assert.equal(1, ex:submit(math.abs, -1):result(60))
        ex:shutdown()
      end
    end)
  end

  it("gives the right results to any tree of tasks", function()
    local function sum_of(ex, self, seed, depth)
      local pool = require "tidepool"
      local state = seed
      local function random(n) -- the same in every worker
        state = (state * 1103515245 + 12345) % 2147483648
        return state // 65536 % n + 1
      end
      if depth == 0 then return 1 end
      local fs, sum = {}, 1
      for i = 1, random(3) do fs[i] = ex:submit(self, ex, self, state + i, depth - 1) end
      local how = random(5)
      if how == 1 then
        for _, f in ipairs(fs) do sum = sum + f:result() end
      elseif how == 2 then
        for i = #fs, 1, -1 do sum = sum + fs[i]:result(600) end
      elseif how == 3 then
        for f in pool.as_completed(fs) do sum = sum + f:result() end
      else
        local left = fs
        while #left > 0 do
          local done, rest = pool.wait(left, { return_when = "first_completed" })
          for _, f in ipairs(done) do sum = sum + f:result() end
          left = rest
        end
      end
      return sum
    end
    local depth = h.sanitized and 4 or 6
    local roomy = h.pool(2)
    for seed = 1, 3 do
      local expected = roomy:submit(sum_of, roomy, sum_of, seed, depth):result(300)
      for _, options in ipairs {
        { max_workers = 1, max_threads = 1 }, { max_workers = 2, max_threads = 2 },
        { max_workers = 2, max_threads = 3 }, { max_workers = 1, max_threads = 2, max_queue = 2 },
        { max_workers = 2, max_threads = 2, idle_timeout = 0 },
      } do
        local ex, fs = h.pool(options), {}
        for i = 1, 4 do fs[i] = ex:submit(sum_of, ex, sum_of, seed, depth) end
        for i = 1, 4 do assert.equal(expected, fs[i]:result(300)) end
        assert.is_true(ex:stats().workers <= options.max_threads)
        ex:shutdown()
      end
    end
  end)
end)
