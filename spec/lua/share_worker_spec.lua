-- tidepool.share in workers: decoded once in each, kept between tasks, released in the end.
--
-- How often it is decoded is counted by what rebuilds it: counted() below.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local gate = require "gate"
local tidepool = require "tidepool"

local share = tidepool.share

local function get(s) return s:get() end
local function nothing() end
local function collect()
  collectgarbage()
  collectgarbage()
end

-- Makes a value that is `value` where it arrives. The gate counter "decoded" counts the arrivals.
local function counted(value)
  return setmetatable({}, { __transfer = function()
    return "spec.support.sample.counted", "decoded", value
  end })
end

local function decoded() return gate.get "decoded" end

-- Runs fn(...) in each of the executor's n workers, at the same time. Returns a list of results.
local function in_each(ex, n, fn, ...)
  local g, fs, results = gate.new(), {}, {}
  for i = 1, n do
    fs[i] = ex:submit(function(f, ...)
      gate.wait(g)
      return f(...)
    end, fn, ...)
  end
  gate.arrived(g, n)
  gate.open(g)
  for i = 1, n do results[i] = fs[i]:result() end
  return results
end

-- A finished future of an executor of its own: core.live().tasks counts it while any refers to it.
local function finished_future()
  local ex = h.pool(1)
  local f = ex:submit(math.abs, -1)
  f:result()
  ex:shutdown()
  return f
end

-- Waits until no task is alive, while the n workers of ex run what makes them release shares.
local function assert_released(ex, n)
  h.eventually(function()
    in_each(ex, n, nothing)
    in_each(ex, n, collect)
    collect()
    return core.live().tasks == 0
  end, "no task alive")
end

describe("A share is decoded", function()
  after_each(h.finish)

  it("once per worker, whatever is collected between tasks", function()
    local ex = h.pool(1)
    local s = share(counted { x = 7 })
    for _ = 1, 50 do
      assert.equal(7, ex:submit(function() return s:get().x end):result())
      ex:submit(collect):result()
    end
    assert.equal(1, decoded())
  end)

  it("in all others if a task made it", function()
    local ex = h.pool(2)
    local s = ex:submit(function() return require "tidepool".share { x = { 7 } } end):result()
    assert.same({ x = { 7 } }, s:get())
    assert.equal(s:get(), s:get())
    assert.same({ 7, 7 }, in_each(ex, 2, function(v) return v:get().x[1] end, s))
  end)

  it("in many workers at once", function()
    local n = 8
    local ex = h.pool(n)
    local t = { name = "table", list = {}, f = function(x) return x + 1 end }
    for i = 1, 1000 do t.list[i] = { i, tostring(i) } end
    local s = share { t, counted(1) }
    for _ = 1, 3 do
      for _, ok in ipairs(in_each(ex, n, function(v)
        local u = v:get()[1]
        return #u.list == 1000 and u.list[1000][2] == "1000" and u.f(1) == 2
      end, s)) do
        assert.is_true(ok)
      end
    end
    assert.equal(n, decoded())
  end)

  it("only where it is read, and not where it was made", function()
    local ex = h.pool(2)
    local t = counted(1)
    local s = share(t)
    assert.equal(t, s:get())
    in_each(ex, 2, function(v) return v == v end, s)
    assert.equal(0, decoded())
    ex:submit(get, s):result()
    assert.equal(1, decoded())
  end)

  it("anew where a worker's state is replaced", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 1 }
    local s = share(counted(1))
    for i = 1, 3 do
      ex:submit(get, s):result()
      assert.equal(i, decoded())
    end
  end)

  it("once though only messages have it for a while", function()
    local ex, g = h.pool(1), gate.new()
    ex:submit(gate.wait, g)
    local fs = {}
    do
      local s = share(counted(7))
      for i = 1, 20 do fs[i] = ex:submit(get, s) end
    end
    collect()
    gate.open(g)
    for i = 1, 20 do assert.equal(7, fs[i]:result()) end
    assert.equal(1, decoded())
  end)

  it("once with many others at its side", function()
    local ex = h.pool(1)
    local list = {}
    for i = 1, 100 do list[i] = share(counted(i)) end
    for _ = 1, 3 do
      for i = 1, 100 do assert.equal(i, ex:submit(get, list[i]):result()) end
      ex:submit(collect):result()
    end
    assert.equal(100, decoded())
  end)
end)

describe("A share without users", function()
  after_each(h.finish)

  it("leaves the workers that had decoded it", function()
    local ex = h.pool(4)
    local s = share { finished_future() }
    in_each(ex, 4, get, s)
    in_each(ex, 4, nothing)
    in_each(ex, 4, collect)
    collect()
    assert.is_true(core.live().tasks > 0) -- a handle is here
    s = nil -- luacheck: ignore
    assert_released(ex, 4)
  end)

  it("leaves them with others that stay", function()
    local ex = h.pool(2)
    local list, stays = {}, share(counted(1))
    for i = 1, 50 do list[i] = share { finished_future() } end
    in_each(ex, 2, function(all, other)
      for _, v in ipairs(all) do v:get() end
      other:get()
    end, list, stays)
    list = nil -- luacheck: ignore
    assert_released(ex, 2)
    in_each(ex, 2, get, stays)
    assert.equal(2, decoded())
  end)

  it("leaves them when their states close", function()
    local ex = h.pool(3)
    do
      local s = share { finished_future() }
      in_each(ex, 3, get, s)
    end
    ex:shutdown()
    h.eventually(function()
      collect()
      return core.live().tasks == 0
    end, "no task alive")
  end)

  it("leaves though its value holds its own handle", function()
    local ex = h.pool(2)
    do
      local t = { finished_future() }
      t.me = share(t)
      in_each(ex, 2, function(s)
        s:get().me = s
        return s:get().me:get() == s:get()
      end, t.me)
    end
    assert_released(ex, 2)
  end)

  it("is released though it was in another share, and never read", function()
    local ex = h.pool(2)
    do
      local s = share { finished_future(), share { finished_future() } }
      in_each(ex, 2, get, s)
      in_each(ex, 2, nothing, share { finished_future() })
    end
    assert_released(ex, 2)
  end)

  it("is freed in the worker without a request", function()
    local ex = h.pool(1)
    local function kilobytes() return ex:submit(collectgarbage, "count"):result() end
    local before = kilobytes()
    local function use()
      local t = {}
      for i = 1, 100000 do t[i] = i end
      local s = share(t)
      ex:submit(function() return #s:get() end):result()
    end
    use()
    assert.is_true(kilobytes() > before + 1000)
    collect()
    kilobytes()
    assert.is_true(kilobytes() < before + 500)
  end)

  it("may be one of very many", function()
    local ex = h.pool(1)
    for i = 1, 2000 do assert.equal(i, ex:submit(get, share { i }):result()[1]) end
    assert.is_true(ex:submit(function()
      collectgarbage()
      return collectgarbage "count"
    end):result() < 2000)
  end)
end)
