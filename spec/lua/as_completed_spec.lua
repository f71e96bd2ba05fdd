-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function park(g) gate.wait(g) end

local function collect(...)
  local list = {}
  for f in tidepool.as_completed(...) do list[#list + 1] = f end
  return list
end

describe("tidepool.as_completed", function()
  after_each(h.finish)

  it("gives every future once (no timeout)", function()
    local ex, p = h.pool(2), h.promises()
    local all = { p.cancelled, p.failed, p.successful, ex:submit(mul, 2, 21), ex:submit(mul, 7, 6) }
    assert.same(h.set(all), h.set(collect(all)))
  end)

  it("gives those that are done first", function()
    local ex, g, p = h.pool(1), gate.new(), h.promises()
    local f = ex:submit(park, g)
    local it_ = tidepool.as_completed { f, p.successful, p.failed }
    local first, second = it_(), it_()
    assert.same(h.set { p.successful, p.failed }, h.set { first, second })
    gate.open(g)
    assert.equal(f, it_())
    assert.is_nil(it_())
  end)

  it("gives them in the order in which they finish", function()
    local ex, gates, fs = h.pool(3), {}, {}
    for i = 1, 3 do
      gates[i] = gate.new()
      fs[i] = ex:submit(park, gates[i])
    end
    local it_ = tidepool.as_completed(fs)
    for _, i in ipairs { 2, 3, 1 } do
      gate.open(gates[i])
      assert.equal(fs[i], it_())
    end
    assert.is_nil(it_())
  end)

  it("raises kind timeout after those that are done (future times out)", function()
    local ex, g, p = h.pool(1), gate.new(), h.promises()
    local f = ex:submit(park, g)
    for _, timeout in ipairs { 0, 0.03 } do
      local seen = {}
      local err = h.raises("timeout", function()
        for one in tidepool.as_completed({ f, p.cancelled, p.failed, p.successful }, timeout) do
          seen[#seen + 1] = one
        end
      end)
      assert.equal("1 (of 4) futures unfinished", err.message)
      assert.same(h.set { p.cancelled, p.failed, p.successful }, h.set(seen))
    end
    gate.open(g)
  end)

  it("says how many are unfinished (correct timeout message)", function()
    local p = h.promises()
    local err = h.raises("timeout", collect, { p.cancelled, p.pending, p.running, p.successful }, 0)
    assert.equal("2 (of 4) futures unfinished", err.message)
    h.contains("2 (of 4) futures unfinished", tostring(err))
  end)

  it("counts the time from the call", function()
    local p = h.promises()
    local it_ = tidepool.as_completed({ p.successful, p.pending }, 0.03)
    local start = gate.now()
    assert.equal(p.successful, it_())
    h.raises("timeout", it_)
    assert.is_true(gate.now() - start < 5 * h.slow)
  end)

  it("gives a duplicate once, and takes an iterator function", function()
    local f, n = h.pool(1):submit(mul, 2, 3), 0
    local function repeated()
      n = n + 1
      if n <= 3 then return f end
    end
    assert.same({ f }, collect(repeated))
    assert.same({ f }, collect { f, f, f })
  end)

  it("holds on to no future that it has given (free reference)", function()
    local fs = {}
    for i = 1, 8 do fs[i] = tidepool.future() end
    fs[1]:set_result(1)
    local it_ = tidepool.as_completed(fs)
    local weak = setmetatable({}, { __mode = "v" })
    while #fs > 0 do
      weak[1] = it_()
      assert.equal(fs[1], weak[1])
      table.remove(fs, 1)
      collectgarbage()
      collectgarbage()
      assert.is_nil(weak[1])
      if fs[1] then fs[1]:set_result(1) end
    end
    assert.is_nil(it_())
  end)

  it("ends at once for no futures", function()
    assert.same({}, collect {})
    assert.same({}, collect({}, 0))
  end)

  it("takes futures of several executors", function()
    local all = { h.pool(1):submit(mul, 1, 2), h.pool(1):submit(mul, 3, 4) }
    assert.same(h.set(all), h.set(collect(all)))
  end)

  it("may be left halfway", function()
    local ex, g = h.pool(2), gate.new()
    local fs = { ex:submit(mul, 1, 2), ex:submit(park, g) }
    for f in tidepool.as_completed(fs) do
      assert.equal(fs[1], f)
      if f:done() then break end
    end
    gate.open(g)
  end)

  it("runs callbacks before it gives a future", function()
    local f, called = h.pool(1):submit(mul, 1, 2), false
    f:add_done_callback(function() called = true end)
    for _ in tidepool.as_completed { f } do assert.is_true(called) end
  end)

  it("wakes when a future is cancelled", function()
    local ex, p, owner = h.pool(1), tidepool.future(), gate.thread_id()
    ex:submit(function()
      gate.asleep(owner)
      p:cancel()
    end)
    assert.same({ p }, collect({ p }, 30))
  end)

  it("refuses wrong arguments", function()
    h.fails("bad argument #1 to 'as_completed'", tidepool.as_completed)
    h.fails("bad argument #1 to 'as_completed'", tidepool.as_completed, 42)
    h.fails("future", tidepool.as_completed, { 42 })
    h.fails("bad argument #2 to 'as_completed'", tidepool.as_completed, {}, "soon")
  end)
end)
