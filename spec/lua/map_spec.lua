-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end
local function double(x) return 2 * x end
local function park(g) gate.wait(g) end

local function range(n)
  local t = {}
  for i = 1, n do t[i] = i end
  return t
end

-- An iterator function over 1, 2, …, n (n may be math.huge) that counts in `read`.
local function counting(n, read)
  read = read or {}
  read.n = 0
  return function()
    if read.n < n then
      read.n = read.n + 1
      return read.n
    end
  end
end

describe("map", function()
  after_each(h.finish)

  it("gives index and result, in order", function()
    local seen = {}
    for i, y in h.pool(3):map(double, { 10, 20, 30, 40 }) do seen[#seen + 1] = { i, y } end
    assert.same({ { 1, 20 }, { 2, 40 }, { 3, 60 }, { 4, 80 } }, seen)
  end)

  it("zips several iterables", function()
    local ten = range(10)
    for i, y in h.pool(3):map(mul, ten, ten) do assert.equal(i * i, y) end
    for i, y in h.pool(3):with({ chunksize = 3 }):map(mul, ten, ten) do
      assert.equal(i * i, y)
    end
  end)

  it("ends with the shortest iterable", function()
    local ex = h.pool(2)
    assert.same({ 4, 10, n = 2 }, ex:map(mul, { 1, 2, 3 }, { 4, 5 }):collect())
    assert.same({ 4, 10, n = 2 }, ex:map(mul, { 1, 2 }, { 4, 5, 6 }):collect())
    assert.same({ n = 0 }, ex:map(mul, {}, { 1 }):collect())
    assert.same({ 1, 4, n = 2 }, ex:map(mul, counting(math.huge), { 1, 2 }):collect())
  end)

  it("gives all results of an item, nils too", function()
    local rows = h.all(h.pool(2):map(function(x) return nil, x, nil end, { 5, 6 }))
    assert.same({ { 1, nil, 5, nil, n = 4 }, { 2, nil, 6, nil, n = 4 } }, rows)
    rows = h.all(h.pool(2):map(function() end, { 5, 6 }))
    assert.same({ { 1, n = 1 }, { 2, n = 1 } }, rows)
  end)

  it("gives scalars of all kinds as they are, whatever the chunksize", function()
    local function pick(i)
      local long = ("x"):rep(300)
      local kinds = { i, -i, i + 0.5, -0.0, 1 / 0, "", "a\0b", "same", long, true, false,
        math.mininteger }
      return kinds[i % 13 + 1] -- nil, too
    end
    local n = 3000
    for _, options in ipairs { { chunksize = 3 }, { chunksize = 50 }, { chunksize = 1024 },
      { chunksize = 2000 }, {}, { buffersize = 100 }, { ordered = false } } do
      local ex = h.pool(2):with(options)
      local count = 0
      local function check(i, y)
        local expected = pick(i)
        assert(rawequal(expected, y) and math.type(expected) == math.type(y))
        if y == 0 then assert(1 / y == 1 / expected) end
      end
      for i, y in ex:map(pick, range(n)) do
        count = count + 1
        check(i, y)
      end
      assert.equal(n, count)
      local iterator = ex:map(pick, range(n))
      local seen = {}
      for _ = 1, 60 do
        local i, y = iterator()
        seen[i] = true
        check(i, y)
      end
      local t = iterator:collect()
      assert.equal(n, t.n)
      for i = 1, n do
        if not seen[i] then check(i, t[i]) end
      end
    end
  end)

  it("takes an iterator function", function()
    local words = {}
    for _, w in h.pool(2):map(string.upper, string.gmatch("one two three", "%a+")) do
      words[#words + 1] = w
    end
    assert.same({ "ONE", "TWO", "THREE" }, words)
  end)

  it("gives nothing for nothing", function()
    local ex = h.pool(2)
    assert.same({}, h.all(ex:map(double, {})))
    assert.same({}, h.all(ex:map(double, function() end)))
    assert.same({ n = 0 }, ex:map(double, {}):collect())
    assert.equal(0, ex:stats().submitted)
  end)

  it("returns iterator, nil, nil, iterator, for the generic for to close", function()
    local it_, state, control, closing = h.pool(1):map(double, { 1 })
    assert.is_nil(state)
    assert.is_nil(control)
    assert.equal(it_, closing)
    assert.same({ 1, 2 }, { it_() })
    assert.is_nil((it_()))
    assert.is_nil((it_()))
  end)

  it("takes C functions and functions by name", function()
    local ex = h.pool(2)
    assert.same({ "a", "b", n = 2 }, ex:map(string.char, { 97, 98 }):collect())
    assert.same({ 2, 4, n = 2 }, ex:map("spec.support.sample.double", { 1, 2 }):collect())
  end)

  it("submits a sequence at the call, even if it is never iterated", function()
    local ex = h.pool(2)
    ex:map(function(n) gate.add("sum", n) end, range(10))
    ex:shutdown()
    assert.equal(55, gate.get "sum")
  end)

  it("runs as many items at a time as there are workers", function()
    local ex, g = h.pool(4), gate.new()
    local it_ = ex:map(function(x)
      gate.wait(g)
      return x
    end, range(4))
    gate.arrived(g, 4)
    gate.open(g)
    assert.same({ 1, 2, 3, 4, n = 4 }, it_:collect())
  end)

  it("collects first results with their number", function()
    local function late(x) return x > 1 and x or nil, "more" end
    local t = h.pool(2):map(late, { 1, 2, 3 }):collect()
    assert.same({ nil, 2, 3, n = 3 }, t)
  end)

  it("collects what is left after some were taken", function()
    local it_ = h.pool(2):map(double, { 1, 2, 3 })
    it_()
    local t = it_:collect()
    assert.equal(3, t.n)
    assert.same({ 4, 6 }, { t[2], t[3] })
  end)

  it("holds on to no result that it has given (free reference)", function()
    local weak = setmetatable({}, { __mode = "v" })
    local it_ = h.pool(2):with({ chunksize = 1 }):map(function(x) return { x } end, range(10))
    for i = 1, 10 do
      local _, value = it_()
      weak[1] = value
      assert.same({ i }, value)
      value = nil -- luacheck: ignore 311
      collectgarbage()
      collectgarbage()
      assert.is_nil(weak[1])
    end
  end)

  it("may be used from a coroutine", function()
    local ex = h.pool(2)
    local co = coroutine.wrap(function()
      for _, y in ex:map(double, { 1, 2, 3 }) do coroutine.yield(y) end
    end)
    assert.same({ 2, 4, 6 }, { co(), co(), co() })
  end)

  it("may read an iterator function that yields the coroutine", function()
    local ex, n = h.pool(2), 0
    local co = coroutine.wrap(function()
      local sum = 0
      for _, y in ex:with({ buffersize = 2, chunksize = 1 }):map(double, function()
        coroutine.yield "reading"
        n = n + 1
        return n <= 4 and n or nil
      end) do
        sum = sum + y
      end
      return sum
    end)
    local last
    for _ = 1, 6 do last = co() end
    assert.equal(20, last)
  end)

  it("runs two maps side by side", function()
    local ex = h.pool(2)
    local a, b = ex:map(double, { 1, 2 }), ex:map(double, { 3, 4 })
    assert.same({ 1, 2 }, { a() })
    assert.same({ 1, 6 }, { b() })
    assert.same({ 2, 4 }, { a() })
    assert.same({ 2, 8 }, { b() })
  end)

  it("runs again with other items after a shutdown only on another executor", function()
    local ex = h.pool(1)
    ex:shutdown()
    h.raises("shutdown", ex.map, ex, double, { 1 })
  end)

  it("refuses wrong arguments", function()
    local ex = h.pool(1)
    h.fails("bad argument #1 to 'map'", ex.map, ex)
    h.fails("bad argument #1 to 'map'", ex.map, ex, 42, {})
    h.fails("bad argument #2 to 'map'", ex.map, ex, double)
    h.fails("bad argument #2 to 'map'", ex.map, ex, double, 42)
    h.fails("bad argument #3 to 'map'", ex.map, ex, mul, {}, "x")
  end)
end)

describe("map's close", function()
  after_each(h.finish)

  -- A map of n items on one worker that is parked in the first.
  local function parked_map(n)
    local ex, g = h.pool(1), gate.new()
    local it_ = ex:with({ chunksize = 1 }):map(function(i)
      gate.wait(g)
      gate.add "ran"
      return i
    end, range(n))
    gate.arrived(g, 1)
    return ex, g, it_
  end

  it("cancels what has not started", function()
    local ex, g, it_ = parked_map(10)
    it_:close()
    assert.equal(9, ex:stats().cancelled)
    gate.open(g)
    ex:shutdown()
    assert.equal(1, gate.get "ran")
  end)

  it("ends the iteration, and may be called twice", function()
    local _, g, it_ = parked_map(3)
    it_:close()
    it_:close()
    assert.is_nil((it_()))
    gate.open(g)
  end)

  it("is what leaving the for does", function()
    local ex, g = h.pool(1), gate.new()
    gate.open(g, 1)
    for i in ex:with({ chunksize = 1 }):map(park, { g, g, g, g, g, g }) do
      assert.equal(1, i)
      gate.arrived(g, 1)
      if i == 1 then break end
    end
    assert.equal(4, ex:stats().cancelled)
    gate.open(g)
  end)

  it("is what an error in the for does", function()
    local ex, g = h.pool(1), gate.new()
    gate.open(g, 1)
    local ok, err = pcall(function()
      for _ in ex:with({ chunksize = 1 }):map(park, { g, g, g, g, g, g }) do
        gate.arrived(g, 1)
        error("in the loop", 0)
      end
    end)
    assert.same({ false, "in the loop" }, { ok, err })
    assert.equal(4, ex:stats().cancelled)
    gate.open(g)
  end)

  it("stops reading an iterator function", function()
    local read = {}
    local it_ = h.pool(1):map(double, counting(math.huge, read))
    it_()
    it_:close()
    local n = read.n
    assert.is_nil((it_()))
    assert.equal(n, read.n)
  end)
end)

describe("map with a chunksize", function()
  after_each(h.finish)

  it("submits that many items as one task", function()
    local ex = h.pool(2)
    local t = ex:with({ chunksize = 3 }):map(double, range(10)):collect()
    assert.equal(10, t.n)
    for i = 1, 10 do assert.equal(2 * i, t[i]) end
    assert.equal(4, ex:stats().submitted)
  end)

  it("may be larger than the input", function()
    local ex = h.pool(2)
    assert.same({ 2, 4, n = 2 }, ex:with({ chunksize = 100 }):map(double, { 1, 2 }):collect())
    assert.equal(1, ex:stats().submitted)
  end)

  it("batches tiny items by default", function()
    local ex = h.pool(2)
    local n = 0
    for i, y in ex:map(double, range(20000)) do
      n = n + 1
      assert(i == n and y == 2 * n)
    end
    assert.equal(20000, n)
    assert.is_true(ex:stats().submitted < 10000)
  end)

  it("says \"auto\" for the default", function()
    assert.same({ 2, n = 1 }, h.pool(1):with({ chunksize = "auto" }):map(double, { 1 }):collect())
  end)

  it("works with iterator functions", function()
    local t = h.pool(2):with({ chunksize = 4 }):map(double, counting(10)):collect()
    assert.equal(10, t.n)
    assert.equal(20, t[10])
  end)

  it("must be an integer above 0 or \"auto\"", function()
    local ex = h.pool(1)
    for _, n in ipairs { 0, -1, 1.5, "many" } do
      h.fails("chunksize", ex.with, ex, { chunksize = n })
    end
  end)
end)

describe("map with a buffersize", function()
  after_each(h.finish)

  it("reads an iterator function only that far ahead", function()
    local read = {}
    local ex = h.pool(2)
    local it_ = ex:with({ buffersize = 3, chunksize = 1 }):map(double, counting(100, read))
    assert.is_true(read.n <= 3)
    for i = 1, 20 do
      assert.same({ i, 2 * i }, { it_() })
      assert.is_true(read.n <= i + 3, ("%d read after %d"):format(read.n, i))
    end
    it_:close()
  end)

  it("lets infinite input through (infinite iterable)", function()
    local seen = {}
    local ex = h.pool(2)
    for i, y in ex:with({ buffersize = 4 }):map(double, counting(math.huge)) do
      seen[i] = y
      if i == 5 then break end
    end
    assert.same({ 2, 4, 6, 8, 10 }, seen)
  end)

  it("reads several infinite iterables in step", function()
    local a, b, n = {}, {}, 0
    local ex = h.pool(2):with { buffersize = 3, chunksize = 1 }
    for i, y in ex:map(mul, counting(math.huge, a), counting(math.huge, b)) do
      assert.equal(i * i, y)
      assert.equal(a.n, b.n)
      n = i
      if i == 10 then break end
    end
    assert.equal(10, n)
    assert.is_true(a.n <= 13)
  end)

  it("is bounded for an iterator function by default too", function()
    local read, n = {}, 0
    for i in h.pool(2):map(double, counting(math.huge, read)) do
      n = i
      if i == 1000 then break end
    end
    assert.equal(1000, n)
    assert.is_true(read.n < 1000000)
  end)

  it("bounds how many items of a sequence are in flight (buffer is full)", function()
    local ex, g = h.pool(8), gate.new()
    local it_ = ex:with({ buffersize = 2, chunksize = 1 }):map(park, { g, g, g, g, g, g })
    gate.arrived(g, 2)
    assert.equal(2, ex:stats().submitted)
    gate.open(g)
    assert.equal(6, it_:collect().n)
    assert.equal(6, ex:stats().submitted)
  end)

  it("may be larger than the input (empty or short iterable)", function()
    local ex = h.pool(2)
    assert.same({ n = 0 }, ex:with({ buffersize = 5 }):map(double, {}):collect())
    assert.same({ 2, n = 1 }, ex:with({ buffersize = 5 }):map(double, { 1 }):collect())
  end)

  it("must be an integer above 0", function()
    local ex = h.pool(1)
    for _, n in ipairs { 0, -1, 1.5, "x" } do
      h.fails("buffersize", ex.with, ex, { buffersize = n })
    end
  end)
end)

describe("map with ordered = false", function()
  after_each(h.finish)

  it("gives results as they complete, with the index of their item", function()
    local gates = { gate.new(), gate.new(), gate.new() }
    local ex = h.pool(3)
    local it_ = ex:with({ ordered = false, chunksize = 1 }):map(function(g)
      gate.wait(g)
      return g
    end, gates)
    for _, i in ipairs { 3, 1, 2 } do
      gate.open(gates[i])
      assert.same({ i, gates[i] }, { it_() })
    end
    assert.is_nil((it_()))
  end)

  it("gives each item once", function()
    local seen = {}
    for i, y in h.pool(4):with({ ordered = false }):map(double, range(1000)) do
      assert(y == 2 * i and seen[i] == nil)
      seen[i] = true
    end
    assert.equal(1000, #seen)
  end)

  it("collects in the items' own places", function()
    local t = h.pool(4):with({ ordered = false, chunksize = 1 }):map(double, range(50)):collect()
    assert.equal(50, t.n)
    for i = 1, 50 do assert.equal(2 * i, t[i]) end
  end)

  it("takes infinite input", function()
    local n = 0
    for i, y in h.pool(2):with({ ordered = false }):map(double, counting(math.huge)) do
      n = n + 1
      assert.equal(2 * i, y)
      if n == 100 then break end
    end
    assert.equal(100, n)
  end)
end)

describe("map with a timeout", function()
  after_each(h.finish)

  it("raises kind timeout at the item that is late, after those that are not", function()
    local ex, g = h.pool(2), gate.new()
    local open = gate.new()
    gate.open(open)
    local seen = {}
    local err = h.raises("timeout", function()
      for i in ex:with({ timeout = 0.2, chunksize = 1 }):map(park, { open, open, g }) do
        seen[#seen + 1] = i
      end
    end)
    assert.same({ 1, 2 }, seen)
    assert.equal("timeout", tidepool.error_kind(err))
    gate.open(g)
  end)

  it("cancels what has not started (current future cancel)", function()
    local ex, g = h.pool(1), gate.new()
    local first = ex:submit(park, g)
    gate.arrived(g, 1)
    local it_ = ex:with({ timeout = 0, chunksize = 1 }):map(function() gate.add "ran" end, { 2, 3 })
    h.raises("timeout", it_)
    gate.open(g)
    first:result()
    ex:shutdown()
    assert.equal(0, gate.get "ran")
    assert.equal(2, ex:stats().cancelled)
  end)

  it("is for the whole map, counted from the call", function()
    local ex, g = h.pool(1), gate.new()
    local it_ = ex:with({ timeout = 0.05, chunksize = 1 }):map(park, { g, g })
    local start = gate.now()
    gate.open(g, 1)
    it_()
    h.raises("timeout", it_)
    assert.is_true(gate.now() - start < 5 * h.slow)
    assert.is_nil((it_()))
    gate.open(g)
  end)

  it("is no error if everything is done by then", function()
    local ex = h.pool(2)
    assert.same({ 2, 4, n = 2 }, ex:with({ timeout = 60 }):map(double, { 1, 2 }):collect())
  end)

  it("holds for collect too", function()
    local ex, g = h.pool(1), gate.new()
    local it_ = ex:with({ timeout = 0.01 }):map(park, { g })
    h.raises("timeout", it_.collect, it_)
    gate.open(g)
  end)
end)
