-- Done callbacks: when they run, and that they never run inside each other.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function same(x) return x end

-- n futures that are done once the gate is opened, each with a callback.
local function futures(ex, g, n, callback)
  local fs = {}
  for i = 1, n do
    fs[i] = ex:submit(function(id, x) gate.wait(id) return x end, g, i)
    fs[i]:add_done_callback(callback)
  end
  return fs
end

describe("Done callbacks", function()
  after_each(h.finish)

  it("that read the result of their future do not interrupt each other", function()
    local ex, g, total = h.pool(2), gate.new(), 0
    local fs = futures(ex, g, 1000, function(f) total = total + f:result() end)
    gate.open(g)
    tidepool.wait(fs)
    assert.equal(500500, total)
  end)

  it("that were added to a done future run at once, and do not let others in", function()
    local ex, total = h.pool(2), 0
    local fs = {}
    for i = 1, 300 do
      fs[i] = ex:submit(same, i)
      fs[i]:add_done_callback(function(f) total = total + f:result() end)
    end
    tidepool.wait(fs)
    assert.equal(45150, total)
  end)

  it("have run when their future's result is there", function()
    local ex = h.pool(2)
    for i = 1, 3000 do
      local called = false
      local f = ex:submit(same, i)
      f:add_done_callback(function() called = true end)
      assert.equal(i, f:result())
      assert.is_true(called)
    end
  end)

  it("never nest, whatever they call", function()
    local ex, g, depth, deepest, ran = h.pool(2), gate.new(), 0, 0, 0
    local other = h.pool(1):submit(same, 1)
    local fs = futures(ex, g, 50, function(f)
      depth = depth + 1
      deepest = math.max(deepest, depth)
      ran = ran + 1
      f:result()
      f:pcall()
      f:exception()
      f:wait()
      f:cancel()
      other:result()
      assert.equal(0, ex:poll())
      tidepool.wait { other }
      for one in tidepool.as_completed { other } do one:result() end
      ex:submit(same, 1):result()
      depth = depth - 1
    end)
    gate.open(g)
    tidepool.wait(fs)
    assert.same({ 50, 1, 0 }, { ran, deepest, depth })
  end)

  it("never nest when they wait for more, cancel, set and add callbacks", function()
    local ex, g, depth, deepest, ran = h.pool(2), gate.new(), 0, 0, 0
    local function counted(fn)
      return function(f)
        depth = depth + 1
        deepest = math.max(deepest, depth)
        ran = ran + 1
        if fn then fn(f) end
        depth = depth - 1
      end
    end
    local fs = futures(ex, g, 50, counted(function()
      local before = ran
      local cancelled, set, later = tidepool.future(), tidepool.future(), gate.new()
      local parked = ex:submit(function(id) gate.wait(id) end, later)
      for _, f in ipairs { cancelled, set, parked } do f:add_done_callback(counted()) end
      assert.is_true(cancelled:cancel())
      set:set_result(1)
      gate.open(later)
      parked:result()
      assert.equal(0, ex:poll())
      assert.equal(before, ran)
    end))
    gate.open(g)
    tidepool.wait(fs)
    assert.same({ 200, 1, 0 }, { ran, deepest, depth })
  end)

  it("that a callback adds to a done future run inside it, at once", function()
    local f, log = h.pool(1):submit(same, 1), {}
    f:wait()
    f:add_done_callback(function()
      log[#log + 1] = "outer"
      f:add_done_callback(function() log[#log + 1] = "inner" end)
      log[#log + 1] = "end"
    end)
    assert.same({ "outer", "inner", "end" }, log)
  end)

  it("run all at one poll, ten thousand of them", function()
    local ex, first, others, left = h.pool(2), gate.new(), gate.new(), 10000
    local fs, handled, left_inside
    local f = ex:submit(gate.wait, first)
    -- While this one waits nothing else is called, so the rest is due together.
    f:add_done_callback(function()
      gate.open(others)
      tidepool.wait(fs)
      left_inside = left
    end)
    fs = futures(ex, others, left, function(one)
      one:result()
      left = left - 1
    end)
    gate.open(first)
    h.eventually(function()
      handled = ex:poll()
      return handled > 0
    end, "a poll that calls callbacks")
    assert.same({ 10001, 10000, 0 }, { handled, left_inside, left })
  end)

  it("are stopped by Ctrl-C, and so is the script", function()
    local r = h.interrupt [[
      local tidepool = require "tidepool"
      local f = tidepool.future()
      f:add_done_callback(function()
        io.stdout:write("ready\n")
        io.stdout:flush()
        while true do os.time() end -- ThreadSanitizer delivers signals at calls of libc only
      end)
      f:set_result(1)
      print "still going on"
    ]]
    assert.is_true(r.ready, r.stderr)
    h.contains("interrupted!", r.stderr)
    assert.same({ 1, "" }, { r.status, r.rest })
  end)
end)
