-- Tasks that submit to the executor that they run on, and wait.
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local gate = require "gate"
local tidepool = require "tidepool"

local function one() return 1 end

-- fork-join down to single calls
local function fib(ex, self, n)
  if n < 2 then return n end
  local a, b = ex:submit(self, ex, self, n - 1), ex:submit(self, ex, self, n - 2)
  return a:result() + b:result()
end

local function chain(ex, self, n)
  if n == 0 then return 0 end
  return 1 + ex:submit(self, ex, self, n - 1):result()
end

describe("A task that waits for tasks of its executor", function()
  after_each(h.finish)

  for _, workers in ipairs { 1, 2, 8 } do
    it(("continues: fib(20) by fork and join, %d workers"):format(workers), function()
      local ex = h.pool(workers)
      local f = ex:submit(fib, ex, fib, h.sanitized and 14 or 20)
      assert.equal(h.sanitized and 377 or 6765, f:result())
      -- each task waits for one: no thread but the workers
      assert.is_true(core.live().threads <= workers)
      assert.is_true(ex:stats().workers <= workers)
      assert.equal(0, ex:stats().running)
    end)

    it(("continues: a chain of 300, %d workers"):format(workers), function()
      local ex = h.pool(workers)
      assert.equal(300, ex:submit(chain, ex, chain, 300):result())
    end)

    it(("continues in all ways to wait, %d workers"):format(workers), function()
      local ex = h.pool(workers)
      local got = ex:submit(function(ex_)
        local pool = require "tidepool"
        local function square(x) return x * x end
        local sum = 0
        local function start()
          local list = {}
          for i = 1, 5 do list[i] = ex_:submit(square, i) end
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
      end, ex):result()
      assert.equal(14 * 3 + 10 + 55 * 2, got)
      ex:shutdown()
    end)
  end

  it("keeps its state to itself", function()
    local ex = h.pool(1)
    local got = ex:submit(function(ex_)
      MINE = "before"
      local seen = ex_:submit(function(name) -- computed, else it would go along
        local was = _G[name]
        _G[name] = "other"
        return was
      end, "MINE"):result()
      return seen == nil and MINE
    end, ex):result()
    assert.equal("before", got)
  end)

  it("gets the child's error", function()
    local ex = h.pool(1)
    local f = ex:submit(function(ex_) return ex_:submit(error, { code = 7 }):result() end, ex)
    assert.equal(7, f:exception().code)
  end)

  it("may wait for another executor whose task waits for this one", function()
    local a, b = h.pool(1), h.pool(1)
    local f = a:submit(function(a_, b_)
      local function back(c) return c:submit(function() return 5 end):result() end
      return b_:submit(back, a_):result()
    end, a, b)
    assert.equal(5, f:result(60))
  end)

  it("may shut down another executor whose task waits for this one", function()
    local a, b = h.pool(1), h.pool(1)
    local f = a:submit(function(a_, b_)
      b_:submit(function(c) return c:submit(function() return 5 end):result() end, a_)
      return b_:shutdown { timeout = 600 }
    end, a, b)
    assert.is_true(f:result(60))
  end)

  it("may wait for a promise that a queued task fulfils", function()
    local ex, p = h.pool(1), tidepool.future()
    local f = ex:submit(function(p_) return p_:result() + 1 end, p)
    ex:submit(function(p_) p_:set_result(41) end, p)
    assert.equal(42, f:result(60))
  end)

  it("may submit more than a bounded queue holds", function()
    local ex = h.pool { max_workers = 1, max_queue = 2 }
    local f = ex:submit(function(ex_)
      local list, sum = {}, 0
      for i = 1, 50 do list[i] = ex_:submit(function(x) return x end, i) end
      for i = 1, 50 do sum = sum + list[i]:result() end
      return sum
    end, ex)
    assert.equal(1275, f:result(60))
  end)

  it("may wait for a running task that itself waits for a queued one", function()
    local ex, started, p = h.pool(1), tidepool.future(), tidepool.future()
    local f = ex:submit(function(ex_, started_, p_)
      local child = ex_:submit(function()
        started_:set_result()
        return p_:result(600)
      end)
      started_:result(600) -- with a limit: the child runs on another thread
      ex_:submit(function() p_:set_result(8) end)
      return child:result()
    end, ex, started, p)
    assert.equal(8, f:result(60))
  end)

  it("takes no place in a bounded queue while it waits for a running one", function()
    local ex, p = h.pool { max_workers = 1, max_queue = 1, on_full = "error" }, tidepool.future()
    local function runs(n)
      h.eventually(function() return ex:stats().running == n end, n .. " tasks run")
    end
    local slow = ex:submit(function(p_) return p_:result() end, p)
    runs(1)
    local fs = {}
    for i = 1, 3 do
      fs[i] = ex:submit(function(f) return f:result() end, slow)
      runs(i + 1)
    end
    ex:submit(p.set_result, p, 9)
    for i = 1, 3 do assert.equal(9, fs[i]:result(60)) end
  end)

  it("leaves no more threads than max_workers behind, and shuts down", function()
    local ex = h.pool(2)
    local futures = {}
    for i = 1, 20 do
      futures[i] = ex:submit(function(ex_, x)
        return ex_:submit(function(y) return y end, x):result(600)
      end, ex, i)
    end
    for i = 1, 20 do assert.equal(i, futures[i]:result(60)) end
    h.eventually(function() return ex:stats().workers <= 2 end, "surplus threads end")
    assert.is_true(ex:shutdown())
  end)

  it("works with a state for each task, a few tasks per state, and priorities", function()
    for _, options in ipairs {
      { max_workers = 1, isolation = "task" }, { max_workers = 2, max_tasks_per_worker = 3 },
      { max_workers = 1, idle_timeout = 0 },
    } do
      local ex = h.pool(options)
      assert.equal(13, ex:submit(fib, ex, fib, 7):result())
    end
    local ex = h.pool(1)
    local f = ex:submit(function(ex_)
      return ex_:with { priority = -3 }:submit(function() return 1 end):result()
        + ex_:with { priority = 3 }:submit(function() return 2 end):result()
    end, ex)
    assert.equal(3, f:result())
  end)

  it("can be stopped while it waits, and while its thread runs what it waits for", function()
    local ex, g = h.pool(1), gate.new()
    local f = ex:submit(function(ex_, g_)
      local inner = ex_:submit(function(gate_)
        gate.open(gate_)
        while true do end
      end, g_)
      return inner:result()
    end, ex, g)
    gate.wait(g)
    assert.is_true(f:interrupt())
    assert.is_true(ex:shutdown { interrupt = true })
    h.raises("interrupted", f.result, f)
  end)
end)

describe("Kind deadlock", function()
  after_each(h.finish)

  it("is what a task gets that waits for itself", function()
    local ex, p = h.pool(2), tidepool.future()
    local f = ex:submit(function(p_) return p_:result():result() end, p)
    p:set_result(f)
    h.raises("deadlock", f.result, f, 60)
    assert.equal(1, ex:submit(one):result())
  end)

  it("is what one or more tasks of a ring get, at any number of workers", function()
    for _, workers in ipairs { 1, 2, 4 } do
      for length = 2, 5 do
        local ex, p = h.pool(workers), tidepool.future()
        local futures = {}
        futures[1] = ex:submit(function(p_) return p_:result():result() end, p)
        for i = 2, length do
          futures[i] = ex:submit(function(before) return before:result() end, futures[i - 1])
        end
        p:set_result(futures[length])
        for i = 1, length do h.raises("deadlock", futures[i].result, futures[i], 60) end
      end
    end
  end)

  it("is found across executors", function()
    local a, b, p = h.pool(1), h.pool(1), tidepool.future()
    local f = a:submit(function(p_) return p_:result():result() end, p)
    local g = b:submit(function(f_) return f_:result() end, f)
    p:set_result(g)
    h.raises("deadlock", f.result, f, 60)
    h.raises("deadlock", g.result, g, 60)
  end)

  it("is found in wait and as_completed over the task itself", function()
    for _, how in ipairs { "wait", "as_completed" } do
      local ex, p = h.pool(1), tidepool.future()
      local f = ex:submit(function(how_, p_)
        local pool = require "tidepool"
        local me = p_:result()
        if how_ == "wait" then return #pool.wait { me } end
        return (pool.as_completed { me })()
      end, how, p)
      p:set_result(f)
      h.raises("deadlock", f.result, f, 60)
    end
  end)

  it("is not what a wait with a limit of time gets", function()
    local ex, p = h.pool(1), tidepool.future()
    local f = ex:submit(function(p_) return p_:result():wait(0.01) end, p)
    p:set_result(f)
    assert.is_false(f:result(60))
  end)

  it("is not seen where tasks only wait for each other's children", function()
    local ex = h.pool(2)
    local rounds = 300
    local done = 0
    for _ = 1, rounds do
      local p, q = tidepool.future(), tidepool.future()
      local f = ex:submit(function(p_, q_) q_:set_result(1) return p_:result() end, p, q)
      local g = ex:submit(function(p_, q_) p_:set_result(2) return q_:result() end, p, q)
      done = done + f:result(60) + g:result(60)
    end
    assert.equal(3 * rounds, done)
  end)
end)
