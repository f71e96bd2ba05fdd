-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function park(g) gate.wait(g) end
local function nop() end

describe("A future's state", function()
  after_each(h.finish)

  it("is returned by status, done, running and cancelled", function()
    local p = h.promises()
    local expected = {
      pending = { "pending", false, false, false },
      running = { "running", false, true, false },
      cancelled = { "cancelled", true, false, true },
      failed = { "finished", true, false, false },
      successful = { "finished", true, false, false },
    }
    for name, want in pairs(expected) do
      local f = p[name]
      assert.same(want, { f:status(), f:done(), f:running(), f:cancelled() }, name)
    end
  end)

  it("is in tostring (repr)", function()
    local p = h.promises()
    h.contains("pending", tostring(p.pending))
    h.contains("running", tostring(p.running))
    h.contains("cancelled", tostring(p.cancelled))
    h.contains("finished", tostring(p.successful))
    h.contains("finished", tostring(p.failed))
    h.contains("future", tostring(p.pending))
    assert.are_not.equal(tostring(p.successful), tostring(p.failed))
  end)

  it("changes from pending to running to finished for a task", function()
    local ex, g = h.pool(1), gate.new()
    local a = ex:submit(park, g)
    local b = ex:submit(nop)
    gate.arrived(g, 1)
    assert.equal("running", a:status())
    assert.equal("pending", b:status())
    assert.is_true(a:running())
    assert.is_false(b:running())
    gate.open(g)
    b:result()
    assert.equal("finished", a:status())
    assert.equal("finished", b:status())
  end)
end)

describe("f:cancel", function()
  after_each(h.finish)

  it("cancels what has not started, and only that", function()
    local p = h.promises()
    assert.is_true(p.pending:cancel())
    assert.equal("cancelled", p.pending:status())
    assert.is_false(p.running:cancel())
    assert.equal("running", p.running:status())
    assert.is_true(p.cancelled:cancel())
    assert.equal("cancelled", p.cancelled:status())
    assert.is_false(p.failed:cancel())
    assert.equal("finished", p.failed:status())
    assert.is_false(p.successful:cancel())
    assert.equal("finished", p.successful:status())
  end)

  it("keeps a queued task from running", function()
    local ex, g = h.pool(1), gate.new()
    local a = ex:submit(park, g)
    gate.arrived(g, 1)
    local b = ex:submit(gate.add, "ran")
    assert.is_true(b:cancel())
    assert.is_true(b:cancel())
    assert.is_false(a:cancel())
    assert.is_true(b:cancelled())
    assert.is_true(b:done())
    gate.open(g)
    ex:shutdown()
    assert.equal(0, gate.get "ran")
    assert.equal("finished", a:status())
  end)
end)

describe("f:result", function()
  after_each(h.finish)

  it("raises kind timeout or cancelled, the error, or gives the value, with a timeout", function()
    local p = h.promises()
    h.raises("timeout", p.pending.result, p.pending, 0)
    h.raises("timeout", p.running.result, p.running, 0)
    h.raises("timeout", p.pending.result, p.pending, 0.01)
    h.raises("cancelled", p.cancelled.result, p.cancelled, 0)
    assert.same({ false, "an error" }, { pcall(p.failed.result, p.failed, 0) })
    assert.equal(42, p.successful:result(0))
  end)

  it("waits until a task is done (success)", function()
    local ex, g = h.pool(2), gate.new()
    local f = ex:submit(function()
      gate.wait(g)
      return "late"
    end)
    local owner = gate.thread_id()
    ex:submit(function()
      gate.asleep(owner)
      gate.open(g)
    end)
    assert.equal("late", f:result(30))
  end)

  it("wakes when another state sets the result", function()
    local ex, p = h.pool(1), tidepool.future()
    local owner = gate.thread_id()
    ex:submit(function()
      gate.asleep(owner)
      p:set_result(42)
    end)
    assert.equal(42, p:result(30))
  end)

  it("wakes when another state cancels it", function()
    local ex, p = h.pool(1), tidepool.future()
    local owner = gate.thread_id()
    ex:submit(function()
      gate.asleep(owner)
      p:cancel()
    end)
    h.raises("cancelled", p.result, p, 30)
  end)

  it("keeps a long string from the second read on", function()
    local function heap()
      for _ = 1, 3 do collectgarbage() end
      return collectgarbage "count"
    end
    local ex = h.pool(1)
    local f = ex:submit(function() return ("x"):rep(4 << 20), nil, 7 end)
    assert.is_true(f:wait())
    local before = heap()
    local function read()
      local s, gap, n = f:result()
      assert.is_true(s == ("x"):rep(4 << 20) and gap == nil and n == 7)
    end
    read()
    assert.is_true(heap() - before < 1024)
    read()
    assert.is_true(heap() - before >= 4096)
    read()
    assert.is_true(heap() - before < 5120)
  end)

  it("gives the same values each time beside a long string, too", function()
    local f = h.pool(1):submit(function()
      return ("x"):rep(1 << 20), setmetatable({}, { __transfer = function()
        return "spec.support.sample.count"
      end })
    end)
    local _, first = f:result()
    for _ = 1, 3 do assert.equal(first, select(2, f:result())) end
  end)

  it("gives the same values each time", function()
    local f = h.pool(1):submit(function() return { 1 }, "two" end)
    local a, b = f:result()
    assert.same({ 1 }, a)
    assert.equal("two", b)
    assert.equal(a, (f:result()))
    a[2] = "mine"
    assert.same({ 1, "mine" }, (f:result()))
    assert.equal(a, select(2, f:pcall()))
  end)

  it("gives the same error value each time", function()
    local f = h.pool(1):submit(function() error { code = 7 } end)
    local e = f:exception()
    assert.same({ code = 7 }, e)
    assert.equal(e, f:exception())
    assert.equal(e, select(2, pcall(f.result, f)))
    assert.equal(e, select(2, f:pcall()))
  end)

  it("times out while the task runs, and gives the value later", function()
    local ex, g = h.pool(1), gate.new()
    local f = ex:submit(function()
      gate.wait(g)
      return 1
    end)
    h.raises("timeout", f.result, f, 0.01)
    h.raises("timeout", f.result, f, 0)
    gate.open(g)
    assert.equal(1, f:result())
  end)

  it("refuses a timeout that is no number", function()
    local p = h.promises()
    for _, method in ipairs { "result", "exception", "pcall", "wait" } do
      h.fails("bad argument #1 to '" .. method .. "'", p.pending[method], p.pending, "soon")
    end
  end)
end)

describe("f:exception", function()
  after_each(h.finish)

  it("raises kind timeout or cancelled, gives the error, or nil, with a timeout", function()
    local p = h.promises()
    h.raises("timeout", p.pending.exception, p.pending, 0)
    h.raises("timeout", p.running.exception, p.running, 0)
    h.raises("cancelled", p.cancelled.exception, p.cancelled, 0)
    assert.equal("an error", p.failed:exception(0))
    assert.is_nil(p.successful:exception(0))
  end)

  it("waits until a task has failed", function()
    local ex, g = h.pool(2), gate.new()
    local f = ex:submit(function()
      gate.wait(g)
      error("failed late", 0)
    end)
    local owner = gate.thread_id()
    ex:submit(function()
      gate.asleep(owner)
      gate.open(g)
    end)
    assert.equal("failed late", f:exception(30))
  end)
end)

describe("f:pcall", function()
  after_each(h.finish)

  it("returns true and the values, or false and the error", function()
    local p = h.promises()
    assert.same({ true, 42 }, { p.successful:pcall() })
    assert.same({ false, "an error" }, { p.failed:pcall() })
    local r = table.pack(h.pool(1):submit(function() return nil, 2, nil end):pcall())
    assert.equal(4, r.n)
    assert.same({ true, nil, 2, nil, n = 4 }, r)
  end)

  it("returns false and kind cancelled or timeout", function()
    local p = h.promises()
    local ok, err = p.cancelled:pcall()
    assert.is_false(ok)
    assert.equal("cancelled", tidepool.error_kind(err))
    ok, err = p.pending:pcall(0)
    assert.is_false(ok)
    assert.equal("timeout", tidepool.error_kind(err))
  end)
end)

describe("f:wait", function()
  after_each(h.finish)

  it("returns whether it is done", function()
    local p = h.promises()
    assert.is_false(p.pending:wait(0))
    assert.is_false(p.running:wait(0.01))
    assert.is_true(p.cancelled:wait(0))
    assert.is_true(p.failed:wait())
    assert.is_true(p.successful:wait())
  end)

  it("takes about the time that it was given", function()
    local p = h.promises()
    local start = gate.now()
    assert.is_false(p.pending:wait(0.05))
    assert.is_true(gate.now() - start >= 0.05)
  end)

  it("never raises the task's error", function()
    local f = h.pool(1):submit(error, "no")
    assert.is_true(f:wait())
    f:exception()
  end)
end)

describe("Done callbacks", function()
  after_each(h.finish)

  it("see the result", function()
    local f, seen = tidepool.future(), nil
    f:add_done_callback(function(g) seen = g:result() end)
    f:set_result(5)
    assert.equal(5, seen)
  end)

  it("see the exception", function()
    local f, seen = tidepool.future(), nil
    f:add_done_callback(function(g) seen = g:exception() end)
    f:set_exception { "test" }
    assert.same({ "test" }, seen)
  end)

  it("see that it was cancelled", function()
    local f, seen = tidepool.future(), nil
    f:add_done_callback(function(g) seen = g:cancelled() end)
    assert.is_true(f:cancel())
    assert.is_true(seen)
  end)

  it("get the future itself", function()
    local f, seen = tidepool.future(), nil
    f:add_done_callback(function(g) seen = g end)
    f:set_result()
    assert.equal(f, seen)
  end)

  it("that raise are reported by warn, and the others still run", function()
    gate.warnings()
    local f, called = tidepool.future(), false
    f:add_done_callback(function() error "doh!" end)
    f:add_done_callback(function() called = true end)
    f:set_result(5)
    assert.is_true(called)
    h.contains("doh!", table.concat(gate.warnings(), "\n"))
    assert.equal(5, f:result())
  end)

  it("run at once if it has finished, failed or been cancelled already", function()
    for _, name in ipairs { "successful", "failed", "cancelled" } do
      local f, seen = h.promises()[name], nil
      f:add_done_callback(function(g) seen = g:status() end)
      assert.equal(f:status(), seen)
    end
  end)

  it("that raise at once are reported by warn too", function()
    gate.warnings()
    local f = h.promises().successful
    f:add_done_callback(function() error "doh!" end)
    h.contains("doh!", table.concat(gate.warnings(), "\n"))
  end)

  it("run in the order in which they were added", function()
    local f, order = tidepool.future(), {}
    for i = 1, 5 do f:add_done_callback(function() order[#order + 1] = i end) end
    f:set_result()
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("run once", function()
    local ex, calls = h.pool(1), 0
    local f = ex:submit(nop)
    f:add_done_callback(function() calls = calls + 1 end)
    f:result()
    f:wait()
    ex:poll()
    assert.equal(1, calls)
  end)

  it("run in the owner's state at the next pump, not before", function()
    local ex, g, here = h.pool(1), gate.new(), nil
    local f = ex:submit(function()
      gate.wait(g)
      return 42
    end)
    f:add_done_callback(function(done) here = { gate.thread_id(), done:result() } end)
    gate.open(g)
    h.eventually(function() return f:done() end, "done")
    assert.is_nil(here)
    ex:submit(nop):result()
    assert.same({ gate.thread_id(), 42 }, here)
  end)

  it("have run when result, exception, pcall or wait of that future returns", function()
    local ex = h.pool(1)
    for _, method in ipairs { "result", "exception", "pcall", "wait" } do
      local f, called = ex:submit(nop), false
      f:add_done_callback(function() called = true end)
      f[method](f)
      assert.is_true(called, method)
    end
  end)

  it("of futures that finish first are called first", function()
    local ex, order = h.pool(2), {}
    local g1, g2 = gate.new(), gate.new()
    local a, b = ex:submit(park, g1), ex:submit(park, g2)
    a:add_done_callback(function() order[#order + 1] = "a" end)
    b:add_done_callback(function() order[#order + 1] = "b" end)
    gate.open(g2)
    h.eventually(function() return b:done() end, "b done")
    gate.open(g1)
    h.eventually(function() return a:done() end, "a done")
    ex:poll()
    assert.same({ "b", "a" }, order)
  end)

  it("may submit, wait and add callbacks", function()
    local ex, again, got = h.pool(1), nil, nil
    local f = ex:submit(mul, 2, 3)
    f:add_done_callback(function(done)
      again = ex:submit(mul, done:result(), 7)
      again:add_done_callback(function(last) got = last:result() end)
      again:wait()
    end)
    f:result()
    again:wait() -- the wait in the callback left its callbacks to the pump around it
    assert.equal(42, got)
  end)

  it("must be functions", function()
    local p = h.promises()
    h.fails("bad argument #1 to 'add_done_callback'", p.pending.add_done_callback, p.pending)
    h.fails("bad argument #1 to 'add_done_callback'", p.pending.add_done_callback, p.pending, 1)
  end)
end)
