-- Messages borrow long strings instead of copying them. The strings stay whole, whichever state
-- closes first.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local LEN = 200000

local function long(what) return (what:rep(LEN)) end
local function echo(...) return ... end
local function make(what) return (what:rep(200000)) end
local function park(g) gate.wait(g) end

local function check(what, got)
  if got ~= long(what) then error("a string of " .. what .. " came back damaged", 2) end
end

describe("A long string", function()
  after_each(h.finish)

  it("comes back as it went, on every way", function()
    local ex = h.pool(1)
    for _, n in ipairs { 1000, 65535, 65536, 100000, 3 << 20 } do
      local s = ("0123456789"):rep(n // 10) .. ("x"):rep(n % 10)
      assert.is_true(s == ex:submit(echo, s):result())
    end
    local s = long "a"
    local t = ex:submit(echo, { s, { s }, k = s, [s] = 1 }):result()
    check("a", t[1])
    assert.is_true(t[1] == t[2][1] and t[1] == t.k and t[s] == 1)
    check("a", (ex:submit(function() return s end):result()))
  end)

  it("is there for a worker that has been replaced since", function()
    local ex, fs = h.pool { max_workers = 1, max_tasks_per_worker = 1 }, {}
    for i = 1, 6 do fs[i] = ex:submit(make, tostring(i)) end
    tidepool.wait(fs)
    ex:submit(echo):result() -- so the worker before this one has been closed
    for i = 1, 6 do check(tostring(i), fs[i]:result()) end
    for i = 6, 1, -1 do check(tostring(i), fs[i]:result()) end
  end)

  it("is there when the executor is not", function()
    local ex = h.pool(2)
    local fs = { ex:submit(make, "a"), ex:submit(echo, long "b") }
    ex:shutdown()
    check("a", fs[1]:result())
    check("b", fs[2]:result())
  end)

  it("is there as an error and in one", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 1 }
    local f = ex:submit(function() error((("e"):rep(200000)), 0) end)
    local g = ex:submit(function() error { text = ("t"):rep(200000) } end)
    tidepool.wait { f, g }
    ex:submit(echo):result()
    check("e", f:exception())
    check("t", g:exception().text)
  end)

  it("is there as a promise that a worker kept", function()
    local ex, p = h.pool { max_workers = 1, max_tasks_per_worker = 1 }, tidepool.future()
    ex:submit(function() p:set_result(("p"):rep(200000)) end):result()
    ex:submit(echo):result()
    check("p", p:result())
    check("p", ex:submit(function() return p:result() end):result())
  end)

  it("is read by several states", function()
    local ex, maker = h.pool(3), h.pool(1)
    local f = maker:submit(make, "s")
    local fs = {}
    for i = 1, 9 do fs[i] = ex:submit(function() return f:result() end) end
    maker:shutdown()
    for i = 1, 9 do check("s", fs[i]:result()) end
  end)

  it("is given back when its task is cancelled, refused or done", function()
    local ex, g = h.pool(1), gate.new()
    ex:submit(park, g)
    gate.arrived(g, 1)
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 50 do
      assert.is_true(ex:submit(echo, make "c"):cancel())
      h.raises("transfer", ex.submit, ex, echo, make "r", coroutine.create(print))
    end
    gate.open(g)
    ex:submit(echo, make "d"):wait()
    ex:submit(echo):result()
    collectgarbage()
    collectgarbage()
    local grown = collectgarbage "count" - before
    if grown > 400 then error(("%.0f KiB are still held"):format(grown)) end
  end)

  it("is given back to a script that reads but a few numbers", function()
    local ex = h.pool(2)
    local function length(s) return #s end
    collectgarbage()
    local before, fs = collectgarbage "count", {}
    for i = 1, 20 do fs[i] = ex:submit(length, make(tostring(i % 10))) end
    for i = 1, 20 do assert.equal(LEN, fs[i]:result()) end
    ex:shutdown()
    collectgarbage()
    collectgarbage()
    local grown = collectgarbage "count" - before
    if grown > 100 then error(("%.0f KiB are still held"):format(grown)) end
  end)

  it("does not make a worker grow without end", function()
    local ex = h.pool(1)
    local function count()
      collectgarbage()
      return collectgarbage "count"
    end
    ex:submit(make, "w"):result()
    local before = ex:submit(count):result()
    for _ = 1, 100 do
      ex:submit(make, "w"):result()
      collectgarbage()
    end
    collectgarbage()
    ex:submit(echo):result()
    local grown = ex:submit(count):result() - before
    if grown > 1000 then error(("%.0f KiB are still held"):format(grown)) end
  end)

  it("ends with a script that leaves it unread", function()
    h.runs [[
      local tidepool = require "tidepool"
      local function make(n) return ("x"):rep(n) end
      local ex, fs = tidepool.executor { max_workers = 2, max_tasks_per_worker = 3 }, {}
      for i = 1, 20 do fs[i] = ex:submit(make, 100000 * i) end
      unread = fs
      again = ex:submit(make, 100000)
      setmetatable({}, { __gc = function() assert(#fs[20]:result() == 2000000) end })
      ex:submit(function(s) return s end, ("y"):rep(1000000))
    ]]
  end)
end)
