-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function park(g) gate.wait(g) end
local function fail_after(g)
  gate.wait(g)
  error("this is an error", 0)
end

-- Asserts that both lists hold exactly these futures, each once.
local function assert_lists(done_wanted, not_done_wanted, done, not_done)
  assert.same(h.set(done_wanted), h.set(done))
  assert.same(h.set(not_done_wanted), h.set(not_done))
end

describe("tidepool.wait", function()
  after_each(h.finish)

  it("counts duplicates once (20369)", function()
    local f = h.pool(1):submit(mul, 1, 2)
    local done, not_done = tidepool.wait({ f, f }, { return_when = "all_completed" })
    assert.same({ f }, done)
    assert.same({}, not_done)
  end)

  it("waits for all by default", function()
    local ex = h.pool(2)
    local a, b = ex:submit(mul, 1, 2), ex:submit(mul, 3, 4)
    assert_lists({ a, b }, {}, tidepool.wait { a, b })
  end)

  it("returns on first completed", function()
    local ex, g = h.pool(2), gate.new()
    local f1, f2 = ex:submit(mul, 21, 2), ex:submit(park, g)
    assert_lists({ f1 }, { f2 }, tidepool.wait({ f2, f1 }, { return_when = "first_completed" }))
    gate.open(g)
  end)

  it("returns on first completed at once if some have completed already", function()
    local ex, g, p = h.pool(1), gate.new(), h.promises()
    local f = ex:submit(park, g)
    assert_lists({ p.cancelled, p.successful }, { f },
      tidepool.wait({ p.cancelled, p.successful, f }, { return_when = "first_completed" }))
    gate.open(g)
  end)

  it("takes a cancelled future as completed", function()
    local p = h.promises()
    assert_lists({ p.cancelled }, { p.pending },
      tidepool.wait({ p.pending, p.cancelled }, { return_when = "first_completed" }))
    assert_lists({ p.cancelled }, {}, tidepool.wait { p.cancelled })
  end)

  it("returns on first exception", function()
    local ex, g1, g2 = h.pool(3), gate.new(), gate.new()
    local f1, f2, f3 = ex:submit(mul, 2, 21), ex:submit(fail_after, g1), ex:submit(park, g2)
    f1:wait() -- f1 has completed before f2 does
    gate.open(g1)
    assert_lists({ f1, f2 }, { f3 },
      tidepool.wait({ f1, f2, f3 }, { return_when = "first_exception" }))
    gate.open(g2)
    f2:exception()
  end)

  it("returns on first exception with some completed already, cancelled ones too", function()
    local ex, g, p = h.pool(2), gate.new(), h.promises()
    local f1, f2 = ex:submit(error, "no"), ex:submit(park, g)
    assert_lists({ p.successful, p.cancelled, f1 }, { f2 },
      tidepool.wait({ p.successful, p.cancelled, f1, f2 }, { return_when = "first_exception" }))
    gate.open(g)
    f1:exception()
  end)

  it("returns on first exception at once if one has failed already", function()
    local ex, g, p = h.pool(1), gate.new(), h.promises()
    local f = ex:submit(park, g)
    assert_lists({ p.failed }, { f },
      tidepool.wait({ p.failed, f }, { return_when = "first_exception" }))
    gate.open(g)
  end)

  it("does not take a cancellation for an exception", function()
    local p = h.promises()
    local options = { return_when = "first_exception", timeout = 0.01 }
    assert_lists({ p.cancelled }, { p.pending },
      tidepool.wait({ p.cancelled, p.pending }, options))
  end)

  it("waits for all on first exception if none fails", function()
    local ex = h.pool(2)
    local a, b = ex:submit(mul, 1, 2), ex:submit(mul, 3, 4)
    assert_lists({ a, b }, {}, tidepool.wait({ a, b }, { return_when = "first_exception" }))
  end)

  it("waits for all completed, whatever their end", function()
    local ex, p = h.pool(2), h.promises()
    local f1, f2 = ex:submit(error, "no"), ex:submit(mul, 2, 21)
    local all = { p.successful, p.cancelled, p.failed, f1, f2 }
    assert_lists(all, {}, tidepool.wait(all, { return_when = "all_completed" }))
    f1:exception()
  end)

  it("returns when the time has passed, which is no error", function()
    local ex, g, p = h.pool(1), gate.new(), h.promises()
    local f = ex:submit(park, g)
    for _, timeout in ipairs { 0, 0.05 } do
      local start = gate.now()
      assert_lists({ p.cancelled, p.failed, p.successful }, { f }, tidepool.wait(
        { p.cancelled, p.failed, p.successful, f }, { timeout = timeout }))
      assert.is_true(gate.now() - start >= timeout)
    end
    gate.open(g)
  end)

  it("keeps the order of the list in both results", function()
    local p, ex, g = h.promises(), h.pool(1), gate.new()
    local f = ex:submit(park, g)
    local done, not_done = tidepool.wait(
      { p.successful, f, p.failed, p.pending, p.cancelled }, { timeout = 0 })
    assert.same({ p.successful, p.failed, p.cancelled }, done)
    assert.same({ f, p.pending }, not_done)
    gate.open(g)
  end)

  it("takes an iterator function", function()
    local ex, i, fs = h.pool(2), 0, {}
    for k = 1, 3 do fs[k] = ex:submit(mul, k, k) end
    local function each()
      i = i + 1
      return fs[i]
    end
    assert_lists(fs, {}, tidepool.wait(each))
  end)

  it("takes futures of several executors", function()
    local a, b = h.pool(1):submit(mul, 1, 2), h.pool(1):submit(mul, 3, 4)
    assert_lists({ a, b }, {}, tidepool.wait { a, b })
  end)

  it("returns at once for no futures", function()
    for _, when in ipairs { "all_completed", "first_completed", "first_exception" } do
      assert_lists({}, {}, tidepool.wait({}, { return_when = when }))
    end
  end)

  it("wakes when another state completes what it waits for", function()
    local ex, p, owner = h.pool(1), tidepool.future(), gate.thread_id()
    ex:submit(function()
      gate.asleep(owner)
      p:set_result(1)
    end)
    assert_lists({ p }, {}, tidepool.wait({ p }, { timeout = 30 }))
  end)

  it("sees all of many that finish at once (pending calls race)", function()
    local ex, g, fs = h.pool(8), gate.new(), {}
    for i = 1, 100 do fs[i] = ex:submit(park, g) end
    gate.open(g)
    assert_lists(fs, {}, tidepool.wait(fs))
  end)

  it("runs callbacks before it returns", function()
    local f, called = h.pool(1):submit(mul, 1, 2), false
    f:add_done_callback(function() called = true end)
    tidepool.wait { f }
    assert.is_true(called)
  end)

  it("refuses wrong arguments", function()
    h.fails("bad argument #1 to 'wait'", tidepool.wait)
    h.fails("bad argument #1 to 'wait'", tidepool.wait, 42)
    h.fails("future", tidepool.wait, { 42 })
    h.fails("return_when", tidepool.wait, {}, { return_when = "soon" })
    h.fails("timeout", tidepool.wait, {}, { timeout = "x" })
    h.fails("return_when", tidepool.wait, {}, { return_wen = "all_completed" })
  end)
end)
