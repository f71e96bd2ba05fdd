-- Futures that no executor runs, and their setters.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function park(g) gate.wait(g) end

describe("A future made by tidepool.future()", function()
  after_each(h.finish)

  it("can be set once only (multiple set_result)", function()
    local f = tidepool.future()
    f:set_result(1)
    local err = h.raises("invalid_state", f.set_result, f, 2)
    h.contains("done", err.message)
    h.raises("invalid_state", f.set_exception, f, "x")
    assert.is_true(f:done())
    assert.equal(1, f:result())
  end)

  it("can be failed once only (multiple set_exception)", function()
    local f = tidepool.future()
    f:set_exception("first")
    h.raises("invalid_state", f.set_exception, f, "second")
    h.raises("invalid_state", f.set_result, f, 1)
    assert.equal("first", f:exception())
  end)

  it("cannot be set when it was cancelled", function()
    local f = tidepool.future()
    f:cancel()
    h.raises("invalid_state", f.set_result, f, 1)
    h.raises("invalid_state", f.set_exception, f, "x")
    assert.is_true(f:cancelled())
  end)

  it("can be set while pending and while running", function()
    local p = h.promises()
    p.pending:set_result(nil, 2, nil)
    assert.equal(3, select("#", p.pending:result()))
    p.running:set_result()
    assert.equal(0, select("#", p.running:result()))
  end)

  it("tells by set_running_or_notify_cancel whether to run it", function()
    local f = tidepool.future()
    assert.is_true(f:set_running_or_notify_cancel())
    assert.is_true(f:running())
    assert.is_false(f:cancel())
    h.raises("invalid_state", f.set_running_or_notify_cancel, f)
    local c = tidepool.future()
    c:cancel()
    assert.is_false(c:set_running_or_notify_cancel())
    local done = h.promises().successful
    h.raises("invalid_state", done.set_running_or_notify_cancel, done)
  end)

  it("keeps an error(nil) and error(false) as tasks do", function()
    local f = tidepool.future()
    f:set_exception(nil)
    assert.equal("<no error object>", f:exception())
    assert.same({ false, nil }, { pcall(f.result, f) })
    local g = tidepool.future()
    g:set_exception(false)
    assert.equal(false, g:exception())
  end)

  it("takes part in tidepool.wait and as_completed", function()
    local f = tidepool.future()
    f:set_result(1)
    assert.same({ f }, (tidepool.wait { f }))
    assert.equal(f, tidepool.as_completed({ f })())
  end)

  it("refuses the setters for a task's future", function()
    local ex, g = h.pool(1), gate.new()
    local f = ex:submit(park, g)
    h.raises("invalid_state", f.set_result, f, 1)
    h.raises("invalid_state", f.set_exception, f, 1)
    h.raises("invalid_state", f.set_running_or_notify_cancel, f)
    gate.open(g)
    assert.equal(0, select("#", f:result()))
  end)

  it("can be waited for by a task while another task sets it", function()
    local ex, p = h.pool(2), tidepool.future()
    local f = ex:submit(function() return p:result() + 1 end)
    ex:submit(function() p:set_result(41) end)
    assert.equal(42, f:result())
  end)
end)
