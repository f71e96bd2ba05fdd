-- Failed items of a map whose errors are never read, and drain.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local gate = require "gate"
local tidepool = require "tidepool"

local function range(n)
  local t = {}
  for i = 1, n do t[i] = i end
  return t
end

-- Waits until the futures of all tasks of the pool are done. The pool counts a task as finished
-- just before its future is done. A worker that runs another task has finished the one before.
local function idle(ex)
  h.eventually(function()
    local st = ex:stats()
    return st.queued + st.running == 0
  end, "idle")
  local g, workers, barrier = gate.new(), ex:stats().max_workers, {}
  for w = 1, workers do barrier[w] = ex:submit(gate.wait, g) end
  gate.arrived(g, workers)
  gate.open(g)
  for w = 1, workers do barrier[w]:result() end
end

-- Returns the indices of the items that warnings name after `act`, as a sorted list in text.
local function warned(act)
  gate.warnings()
  act()
  collectgarbage()
  collectgarbage()
  local list = {}
  for _, text in ipairs(gate.warnings()) do
    h.contains("stack traceback:", text)
    local first, last = text:match "^tidepool: items (%d+) to (%d+) of a map failed"
    first = first or
      text:match "^tidepool: item (%d+) of a map failed and its error was never read: "
    assert.is_string(first, text)
    list[#list + 1] = last and first .. "-" .. last or first
  end
  table.sort(list, function(a, b) return tonumber(a:match "%d+") < tonumber(b:match "%d+") end)
  return table.concat(list, " ")
end

-- Fails for the multiples of n.
local function failing(n)
  return function(i)
    if i % n == 0 then error("bad item " .. i) end
    return i
  end
end

-- Runs a map, calls `use` with it, waits until the pool is idle and drops it.
local function after(options, fn, items, use)
  local ex = h.pool(2)
  return warned(function()
    local it_ = ex:with(options):map(fn, items)
    if use then use(it_) end
    idle(ex)
  end)
end

describe("Failed items whose errors are never read", function()
  after_each(h.finish)

  it("are warned of, whatever the chunksize", function()
    assert.equal("1 2 3", after({}, failing(1), range(3)))
    for _, size in ipairs { 1, 2, 5, 100 } do
      assert.equal("3 6 9", after({ chunksize = size }, failing(3), range(10)))
    end
    assert.equal("90 180", after({}, failing(90), range(200)))
    assert.equal("3 6 9", after({ ordered = false }, failing(3), range(10)))
    local i = 0
    assert.equal("3 6", after({}, failing(3), function() -- those that were read
      i = i + 1
      return i <= 7 and i or nil
    end))
  end)

  it("have the error and its traceback", function()
    local ex = h.pool(1)
    for size = 1, 2 do
      gate.warnings()
      ex:with { chunksize = size }:map(failing(2), { 1, 2 })
      idle(ex)
      collectgarbage()
      collectgarbage()
      local text = table.concat(gate.warnings(), "\n")
      h.contains("bad item 2", text)
      h.contains("map_unseen_spec.lua", text)
    end
  end)

  it("are those behind the error that ends a loop", function()
    local ex = h.pool(2)
    for size = 1, 4 do
      assert.equal("4", warned(function()
        local it_ = ex:with { chunksize = size }:map(failing(2), range(4))
        idle(ex)
        h.fails("bad item 2", function() for _ in it_ do end end)
      end))
    end
  end)

  it("are reported when a chunk was opened and its rest dropped", function()
    for _, how in ipairs { "close", "collect", "nothing" } do
      local list = after({ chunksize = 10 }, failing(3), range(10), function(it_)
        assert.equal(1, (it_()))
        if how == "close" then it_:close() end
        if how == "collect" then h.fails("bad item 3", it_.collect, it_) end
      end)
      assert.equal(how == "collect" and "6 9" or "3 6 9", list)
    end
  end)

  it("are not those that were raised", function()
    local function all(it_)
      for _ = 1, 10 do pcall(it_) end
      assert.is_nil((it_()))
    end
    for _, size in ipairs { 1, 3, 10 } do
      assert.equal("", after({ chunksize = size }, failing(3), range(10), all))
    end
    assert.equal("", after({ ordered = false, chunksize = 2 }, failing(3), range(10), all))
  end)

  it("are not those that were cancelled", function()
    local ex, g = h.pool(1), gate.new()
    assert.equal("", warned(function()
      local it_ = ex:with { chunksize = 1 }:map(function() gate.wait(g) error "late" end, range(3))
      ex:shutdown { cancel_futures = true, wait = false }
      gate.open(g)
      local ok = pcall(it_) -- item 1, which ran
      assert.is_false(ok)
      ex:shutdown()
    end))
  end)

  it("are no more than a few for each chunk", function()
    local ex = h.pool(1)
    gate.warnings()
    ex:with { chunksize = 100 }:map(failing(1), range(100))
    idle(ex)
    collectgarbage()
    collectgarbage()
    local texts = gate.warnings()
    assert.equal(6, #texts)
    h.contains("95 more items of a map failed", texts[6])
    h.contains("up to item 100", texts[6])
  end)

  it("are those of parts that went to other workers, too", function()
    local list = after({}, function(i)
      local limit = gate.now() + 0.004
      while gate.now() < limit do end
      if i % 40 == 0 then error "bad" end
    end, range(160))
    assert.equal("40 80 120 160", list)
  end)

  it("are all items of a chunk that failed as a whole", function()
    local ex = h.pool(1)
    local list = warned(function()
      ex:with { chunksize = 3, time_limit = 0.01 }:map(function() while true do end end, range(3))
      idle(ex)
    end)
    assert.equal("1-3", list)
  end)

  it("are warned of though the collector came before they failed", function()
    for _, options in ipairs { { chunksize = 1 }, { chunksize = 2 }, { ordered = false } } do
      local ex, g = h.pool(2), gate.new()
      assert.equal("1 2", warned(function()
        ex:with(options):map(function() gate.wait(g) error "late" end, range(2))
        for _ = 1, 3 do collectgarbage() end
        assert.is_true(ex:stats().running + ex:stats().queued > 0)
        gate.open(g)
        idle(ex)
      end))
    end
  end)

  it("are warned of when the script ends", function()
    for _, size in ipairs { 1, 2 } do
      local r = h.run_script(([[
        warn "@on"
        local tidepool = require "tidepool"
        local ex = tidepool.executor(1)
        local it = ex:with { chunksize = %d }:map(function() error "lost" end, { 1, 2 })
        ex:shutdown()
      ]]):format(size))
      for i = 1, 2 do h.contains(("item %d of a map failed"):format(i), r.stderr) end
    end
  end)
end)

describe("drain", function()
  after_each(h.finish)

  it("runs all items and returns how many there are", function()
    local ex = h.pool(2)
    local ran = tidepool.array("i64", 1)
    local function count(i)
      ran:add(1, 1)
      return i, { i }
    end
    local n = 0
    for _, items in ipairs { {}, range(1), range(40), range(3000) } do
      for _, options in ipairs { {}, { chunksize = 7 }, { ordered = false }, { buffersize = 3 } } do
        assert.equal(#items, ex:with(options):map(count, items):drain())
        n = n + #items
        assert.equal(n, ran[1])
      end
    end
    local i = 0
    assert.equal(500, ex:map(count, function()
      i = i + 1
      return i <= 500 and i or nil
    end):drain())
    assert.equal(n + 500, ran[1])
  end)

  it("counts the items that were given before, and may be called again", function()
    local ex = h.pool(2)
    for _, size in ipairs { 1, 4, 100 } do
      local it_ = ex:with { chunksize = size }:map(function(i) return i end, range(20))
      assert.equal(1, (it_()))
      assert.equal(2, (it_()))
      assert.equal(20, it_:drain())
      assert.is_nil((it_()))
      assert.equal(20, it_:drain())
    end
  end)

  it("runs on after an error, and raises the first one at its end", function()
    local ex = h.pool(2)
    for _, options in ipairs { { chunksize = 1 }, { chunksize = 4 }, { chunksize = 50 },
      { ordered = false }, { buffersize = 2 } } do
      local ran = tidepool.array("i64", 1)
      local it_ = ex:with(options):map(function(i)
        ran:add(1, 1)
        if i % 7 == 0 then error("bad item " .. i, 0) end
      end, range(30))
      local list = warned(function()
        assert.same({ false, "bad item 7" }, { pcall(it_.drain, it_) })
        h.contains("bad item 7", it_:traceback())
        idle(ex)
        it_ = nil
      end)
      assert.equal(30, ran[1])
      assert.equal("14 21 28", list)
    end
  end)

  it("keeps an error value as it is", function()
    local ok, err = pcall(function()
      h.pool(1):map(function() error { code = 42 } end, { 1 }):drain()
    end)
    assert.is_false(ok)
    assert.equal(42, err.code)
  end)

  it("keeps no result", function()
    local ex = h.pool(1)
    local i = 0
    local most = 0
    local n = ex:map(function() return ("x"):rep(100000) end, function()
      i = i + 1
      most = math.max(most, core.live().tasks)
      return i <= 2000 and i or nil
    end):drain()
    assert.equal(2000, n)
    assert.is_true(most < 100, most)
  end)

  it("does not wait for an item to release those behind it", function()
    local ex, g = h.pool(2), gate.new()
    local it_ = ex:map(function(i) if i == 1 then gate.wait(g) end end, range(40))
    local co = coroutine.create(function() return it_:drain() end)
    h.eventually(function() return ex:stats().queued == 0 end, "all but the first ran")
    gate.open(g)
    assert.same({ true, 40 }, { coroutine.resume(co) })
  end)

  it("raises what ends the map", function()
    local ex, g = h.pool(1), gate.new()
    local it_ = ex:with { timeout = 0.01 }:map(function() gate.wait(g) end, range(3))
    h.raises("timeout", it_.drain, it_)
    gate.open(g)
    local i = 0
    it_ = ex:with { buffersize = 1 }:map(function(x) return x end, function()
      i = i + 1
      if i == 3 then error "source is broken" end
      return i
    end)
    h.fails("source is broken", it_.drain, it_)
    local function same(x) return x end
    it_ = ex:with { buffersize = 1 }:map(same, { 1, 2, coroutine.create(print) })
    h.raises("transfer", it_.drain, it_)
  end)

  it("gives those items another try whose chunk could not be rebuilt", function()
    local ex = h.pool(1)
    gate.add "fragile"
    local meta = { __transfer = function() return "spec.support.sample.fragile", 1 end }
    local items = {}
    for i = 1, 4 do items[i] = setmetatable({}, meta) end
    assert.equal(4, ex:with { chunksize = 4 }:map(function(x) return x.id end, items):drain())
  end)

  it("names itself on a bad self", function()
    local it_ = h.pool(1):map(print, {})
    h.fails("calling 'drain' on bad self (tidepool.map expected, got nil)", function()
      it_.drain()
    end)
  end)
end)
