-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function park(g) gate.wait(g) end

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("A dropped future", function()
  after_each(h.finish)

  it("does not keep its task from running", function()
    local ex = h.pool(1)
    for _ = 1, 10 do ex:submit(gate.add, "ran") end
    collect()
    ex:shutdown()
    assert.equal(10, gate.get "ran")
  end)

  it("still runs its callbacks", function()
    local ex, g, got = h.pool(1), gate.new(), {}
    ex:submit(function()
      gate.wait(g)
      return "kept"
    end):add_done_callback(function(f) got[1] = f:result() end)
    collect()
    gate.open(g)
    ex:shutdown()
    assert.same({ "kept" }, got)
  end)

  it("frees its task when that is done", function()
    local ex = h.pool(1)
    for _ = 1, 100 do ex:submit(mul, 1, 1) end
    h.eventually(function()
      collect()
      return core.live().tasks == 0
    end, "no task alive")
  end)
end)

describe("A dropped promise", function()
  it("with a large result is collected without a request", function()
    local text, most = ("p"):rep(1 << 20), 0
    local alive = setmetatable({}, { __mode = "v" })
    for i = 1, 100 do
      local promise, count = tidepool.future(), 0
      alive[i] = promise
      promise:set_result(text)
      for _ in pairs(alive) do count = count + 1 end
      most = math.max(most, count)
    end
    assert.is_true(most < 20, most .. " promises at a time")
  end)
end)

describe("A dropped executor", function()
  after_each(h.finish)

  it("finishes its queue", function()
    local g = gate.new()
    do
      local ex = tidepool.executor(1)
      ex:submit(park, g)
      for _ = 1, 20 do ex:submit(gate.add, "ran") end
    end
    collect()
    gate.open(g)
    gate.await("ran", 20)
  end)

  it("leaves futures that can be waited for in every way", function()
    local g, fs = gate.new(), {}
    do
      local ex = tidepool.executor(1)
      ex:submit(park, g)
      for i = 1, 4 do fs[i] = ex:submit(mul, i, i) end
    end
    collect()
    assert.is_true(fs[4]:cancel())
    gate.open(g)
    assert.equal(1, fs[1]:result())
    assert.equal(3, #(tidepool.wait { fs[1], fs[2], fs[3] }))
    for f in tidepool.as_completed { fs[3] } do assert.equal(9, f:result()) end
    assert.is_true(fs[4]:cancelled())
  end)

  it("leaves maps that can be read", function()
    local it_ = tidepool.executor(2):map(mul, { 1, 2, 3 }, { 4, 5, 6 })
    collect()
    assert.same({ 4, 10, 18, n = 3 }, it_:collect())
  end)

  it("leaves a view that still submits", function()
    local view = tidepool.executor(1):with { priority = 1 }
    collect()
    assert.equal(6, view:submit(mul, 2, 3):result())
  end)
end)

describe("Collection while tasks run", function()
  after_each(h.finish)

  it("does no harm, however often", function()
    local ex = h.pool(4)
    for i = 1, 200 do
      local f = ex:submit(function(x) return { x } end, i)
      if i % 3 == 0 then f:add_done_callback(function() end) end
      if i % 5 == 0 then collectgarbage() end
      if i % 7 == 0 then f:cancel() end
    end
    collect()
  end)

  it("keeps a future whose callback holds it until it ran", function()
    local ex, g, called = h.pool(1), gate.new(), 0
    local weak = setmetatable({}, { __mode = "v" })
    do
      local f = ex:submit(park, g)
      f:add_done_callback(function() called = called + (f:done() and 1 or 0) end)
      weak[1] = f
    end
    collect()
    gate.open(g)
    ex:shutdown()
    assert.equal(1, called)
    collect()
    assert.is_nil(weak[1])
  end)

  it("runs finalizers that use the library", function()
    local ex, done = h.pool(1), 0
    setmetatable({}, { __gc = function()
      ex:submit(mul, 1, 1):add_done_callback(function() done = done + 1 end)
    end})
    collect()
    ex:shutdown()
    assert.equal(1, done)
  end)
end)

describe("A finalizer", function()
  after_each(h.finish)

  -- What a finalizer makes in a closing state is never finalised: Lua itself lets it leak.
  local leaky = { env = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" } }

  it("may send a function once more when the state closes", function()
    assert.equal("true\ttrue\n", h.runs([[
      local tidepool = require "tidepool"
      local ex = tidepool.executor { max_workers = 1, max_tasks_per_worker = 1 }
      local function fn() return 1 end
      last = setmetatable({}, { __gc = function()
        local p = tidepool.future()
        print(pcall(ex.submit, ex, fn), pcall(p.set_result, p, fn))
      end })
      ex:submit(fn):result()
      ex:submit "os.time":result() -- in a new state: no other state has the function's code now
      collectgarbage()
      collectgarbage()
    ]], 0, leaky))
  end)

  it("cannot make a closing state's first executor, whose threads would not be joined", function()
    local out = h.runs([[
      last = setmetatable({}, { __gc = function()
        print(pcall(require "tidepool".executor, 1))
      end })
    ]], 0, leaky)
    h.contains("false", out)
    h.contains("the state is closing", out)
  end)

  it("of a worker's state may wait for what finishes after that is closed", function()
    assert.equal("true\ndone\n", h.runs([[
      local tidepool = require "tidepool"
      local ex, p = tidepool.executor(1), tidepool.future()
      ex:submit(function(p)
        local q = require "tidepool".future()
        q:add_done_callback(function() end) -- so that the state has all it needs to wait
        q:cancel()
        last = setmetatable({}, { __gc = function()
          io.write(tostring(pcall(p.add_done_callback, p, print)), "\n")
        end })
      end, p):result()
      ex:shutdown()
      p:set_result(1)
      print "done"
    ]], 0, leaky))
  end)
end)

describe("Memory", function()
  after_each(h.finish)

  local function resident()
    local f = assert(io.open "/proc/self/statm")
    local _, pages = f:read("n", "n")
    f:close()
    return pages * 4 -- KiB
  end

  local function grows(rounds, work)
    if h.sanitized then rounds = 5 end
    for _ = 1, rounds do work() end
    collect()
    local lua, pages = collectgarbage "count", resident()
    for _ = 1, 4 * rounds do work() end
    collect()
    return collectgarbage "count" - lua, resident() - pages
  end

  local function assert_steady(rounds, work)
    local lua, pages = grows(rounds, work)
    assert.is_true(lua < 256, ("Lua's memory grew by %.0f KiB"):format(lua))
    -- sanitizers keep what was freed, and what lay in frames that an error left
    assert.is_true(h.sanitized or pages < 8192, ("resident memory grew by %d KiB"):format(pages))
  end

  it("does not grow over many tasks", function()
    local ex = h.pool(2)
    assert_steady(20, function()
      local fs = {}
      for i = 1, 100 do fs[i] = ex:submit(function(t) return { t, i } end, { ("x"):rep(1000) }) end
      for i = 1, 100 do fs[i]:result() end
    end)
  end)

  it("does not grow over many executors", function()
    assert_steady(40, function()
      local ex <close> = tidepool.executor(2)
      ex:submit(mul, 1, 1):result()
    end)
  end)

  it("does not grow over many failures and refusals", function()
    local ex = h.pool(2)
    local bad = { coroutine.create(print) }
    assert_steady(20, function()
      for _ = 1, 20 do
        ex:submit(error, { ("x"):rep(1000) }):exception()
        pcall(ex.submit, ex, print, ("y"):rep(1000), bad)
      end
    end)
  end)

  it("does not grow over many functions loaded anew", function()
    local ex = h.pool(1)
    local n = 0
    assert_steady(50, function()
      for _ = 1, 50 do
        n = n + 1
        assert(ex:submit(load("return " .. n)):result() == n)
      end
    end)
  end)

  it("does not grow over callbacks on futures that are dropped", function()
    local ex = h.pool(1)
    assert_steady(20, function()
      for _ = 1, 20 do ex:submit(mul, 1, 1):add_done_callback(function() end) end
      ex:submit(mul, 1, 1):result()
    end)
  end)
end)
