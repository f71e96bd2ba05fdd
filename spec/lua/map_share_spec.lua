-- Dividing a chunk that takes long while other workers have nothing to do.
--
-- The specs need to know a chunk's items before: `longest` runs a map of as many items. The first
-- item of that chunk then runs until all other chunks are done, the other worker is idle and some
-- time has passed (`outlast`): from there on the chunk is to be shared.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, before_each, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local N = 100

local function range(n)
  local t = {}
  for i = 1, n do t[i] = i end
  return t
end

-- Returns the first and last item of the longest chunk of a map of n items. Each task has upvalues
-- of its own, so items with the same one were in one chunk.
local function longest(view, n)
  local own = {}
  local firsts = view:map(function(i)
    own.first = own.first or i
    return own.first
  end, range(n)):collect()
  local best, size = nil, 0
  for i = 1, n do
    local first = firsts[i]
    if i - first + 1 > size then best, size = first, i - first + 1 end
  end
  assert(size >= 8, "no chunk is long enough for this spec")
  return best, best + size - 1
end

-- Runs until `others`, the items of other chunks, are done, the other worker is idle or has ended,
-- and some time has passed.
local function outlast(ex, others)
  local start = gate.now()
  local stats
  repeat stats = ex:stats() until gate.get "others" == others and stats.queued == 0
    and (stats.idle == 1 or stats.workers == 1) and gate.now() - start > 0.02
end

-- Returns a pool of two, and a function that makes the function of a map of N items. In the longest
-- chunk that calls `body`, except for the first item.
local function setup(options, view_options)
  local ex = h.pool(options or 2)
  local view = ex:with(view_options or {})
  local first, last = longest(view, N)
  local function prepared(body)
    return function(i)
      if i < first or i > last then
        gate.add "others"
      elseif i == first then
        outlast(ex, N - (last - first + 1))
      else
        return body(i)
      end
      return i
    end
  end
  return ex, view, first, last, prepared
end

local function outcomes(iterator)
  local list = {}
  while true do
    local r = table.pack(pcall(iterator))
    if r[1] and r[2] == nil then return list end
    list[#list + 1] = r
  end
end

describe("A chunk that takes long", function()
  after_each(h.finish)

  it("leaves no worker idle behind it", function()
    local ex, view, first, last, prepared = setup()
    local g = gate.new()
    local before = ex:stats().submitted
    local iterator = view:map(prepared(function(i)
      if i == first + 1 then gate.wait(g) end -- opened by an item of the same chunk
      if i == last then gate.open(g) end
      return i
    end), range(N))
    local plain = ex:stats().submitted - before
    local t = iterator:collect()
    for i = 1, N do assert.equal(i, t[i]) end
    assert.is_true(ex:stats().submitted - before > plain)
  end)

  it("is shared with a thread that must be started for it", function()
    local _, view, first, last, prepared = setup { max_workers = 2, idle_timeout = 0 }
    local g = gate.new()
    local t = view:map(prepared(function(i)
      if i == first + 1 then gate.wait(g) end
      if i == last then gate.open(g) end
      return i
    end), range(N)):collect()
    for i = 1, N do assert.equal(i, t[i]) end
  end)

  it("is shared again and again, and no item runs twice", function()
    for _, ordered in ipairs { true, false } do
      local ex = h.pool(3)
      local seen, counter = {}, "ran " .. tostring(ordered)
      local function busy(i)
        gate.add(counter)
        local start = gate.now()
        local seconds = i % 10 == 0 and 0.006 or 0
        repeat until gate.now() - start >= seconds
        return i, -i
      end
      for i, y, z in ex:with({ ordered = ordered }):map(busy, range(300)) do
        assert(i == y and i == -z and not seen[i])
        seen[i] = true
      end
      assert.equal(300, #seen)
      assert.equal(300, gate.get(counter))
    end
  end)

  it("keeps all results of its items in their places, nils too", function()
    local _, view, first, last, prepared = setup()
    local rows = h.all(view:map(prepared(function(i)
      if i % 4 == 0 then return end
      if i % 4 == 1 then return nil end
      return i, nil, { i }, nil
    end), range(N)))
    assert.equal(N, #rows)
    for i = first + 1, last do
      if i % 4 == 0 then
        assert.same({ i, n = 1 }, rows[i])
      elseif i % 4 == 1 then
        assert.same({ i, n = 2 }, rows[i])
      else
        assert.same({ i, i, nil, { i }, nil, n = 5 }, rows[i])
      end
    end
  end)

  it("passes arguments of different numbers on", function()
    local n, ex = 0, h.pool(2)
    local function input()
      n = n + 1
      if n > 400 then return nil end
      if n % 3 == 0 then return n, "two", { n } end
      return n
    end
    local function count(i, ...)
      local start = gate.now()
      repeat until gate.now() - start >= (i % 50 == 0 and 0.01 or 0)
      return i, select("#", ...), ...
    end
    local rows = h.all(ex:map(count, input))
    assert.equal(400, #rows)
    for i = 1, 400 do
      if i % 3 == 0 then
        assert.same({ i, i, 2, "two", { i }, n = 5 }, rows[i])
      else
        assert.same({ i, i, 0, n = 3 }, rows[i])
      end
    end
  end)

  it("fails single items wherever they run, each with its traceback", function()
    local _, view, first, last, prepared = setup()
    local iterator = view:map(prepared(function(i)
      if i % 2 == 0 then error { item = i } end
      if i % 7 == 0 then return coroutine.create(print) end
      return i
    end), range(N))
    local list = outcomes(iterator)
    assert.equal(N, #list)
    for i = first + 1, last do
      if i % 2 == 0 then
        assert.same({ false, { item = i }, n = 2 }, list[i])
      elseif i % 7 == 0 then
        assert.is_false(list[i][1])
        assert.equal("transfer", list[i][2].kind)
      else
        assert.same({ true, i, i, n = 3 }, list[i])
      end
    end
    assert.is_string(iterator:traceback())
  end)

  it("keeps the name and the priority of its map", function()
    local ex, view, first, last, prepared = setup(2, { name = "chunky", priority = 5 })
    local kept, given = gate.new(), gate.new()
    local iterator = view:map(prepared(function(i)
      gate.wait(i == first + 1 and kept or given)
      gate.add "shared"
      return tidepool.current_task().name
    end), range(N))
    gate.arrived(kept, 1)
    gate.arrived(given, 1)
    -- more urgent than a task without priority, less than the parts that wait
    local f = ex:with({ priority = 3 }):submit(gate.get, "shared")
    gate.open(given)
    assert.equal(last - first - 1, f:result())
    gate.open(kept)
    local t = iterator:collect()
    for i = first + 1, last do assert.equal("chunky", t[i]) end
  end)

  it("is not shared if its size was given", function()
    local ex = h.pool(2)
    local function busy(i)
      local start = gate.now()
      repeat until gate.now() - start > 0.006
      return i
    end
    assert.equal(8, ex:with({ chunksize = 8 }):map(busy, range(8)):collect().n)
    assert.equal(1, ex:stats().submitted)
  end)
end)

describe("A part of a chunk", function()
  after_each(h.finish)

  it("begins no item once the map is closed", function()
    local ex, view, first, _, prepared = setup()
    local g = gate.new()
    local iterator = view:map(prepared(function(i)
      gate.wait(g)
      gate.add "shared"
      return i
    end), range(N))
    gate.arrived(g, 2) -- one item that was kept, one of a part
    assert.equal(1, (iterator()))
    iterator:close()
    assert.is_nil((iterator()))
    gate.open(g)
    ex:shutdown()
    assert.equal(2, gate.get "shared")
    assert.is_true(first > 1)
  end)

  it("is under the map's timeout", function()
    local ex, view, _, _, prepared = setup(2, { timeout = 0.3 * h.slow })
    local g = gate.new()
    local iterator = view:map(prepared(function(i)
      gate.wait(g)
      gate.add "shared"
      return i
    end), range(N))
    gate.arrived(g, 2)
    h.raises("timeout", iterator.collect, iterator)
    gate.open(g)
    ex:shutdown()
    assert.equal(2, gate.get "shared")
  end)

  it("is not made by an executor that takes no more tasks", function()
    local ex, view, first, _, prepared = setup()
    local closed = gate.new()
    local body = prepared(function(i) return i end)
    local iterator = view:map(function(i)
      local y = body(i)
      if i == first then gate.wait(closed) end
      return y
    end, range(N))
    gate.arrived(closed, 1)
    ex:shutdown { wait = false }
    local before = ex:stats().submitted
    gate.open(closed)
    local t = iterator:collect()
    for i = 1, N do assert.equal(i, t[i]) end
    assert.equal(before, ex:stats().submitted)
  end)

  it("is finished by a shutdown that waits", function()
    local ex, view, first, last, prepared = setup()
    local g = gate.new()
    local iterator = view:map(prepared(function(i)
      if i == first + 1 then gate.wait(g) end
      return i
    end), range(N))
    gate.arrived(g, 1)
    gate.open(g)
    ex:shutdown()
    local t = iterator:collect()
    for i = first, last do assert.equal(i, t[i]) end
  end)

  it("is cancelled with the queue: its items say so, the others do not", function()
    local ex, view, first, last, prepared = setup()
    local g = gate.new()
    local iterator = view:map(prepared(function(i)
      gate.wait(g)
      return i
    end), range(N))
    gate.arrived(g, 2)
    ex:shutdown { wait = false, cancel_futures = true }
    gate.open(g)
    local list = outcomes(iterator)
    assert.equal(N, #list)
    assert.same({ true, first, first, n = 3 }, list[first])
    assert.same({ true, first + 1, first + 1, n = 3 }, list[first + 1])
    local cancelled = 0
    for i = first + 2, last do
      if not list[i][1] then
        assert.equal("cancelled", list[i][2].kind)
        cancelled = cancelled + 1
      end
    end
    assert.is_true(cancelled > 0)
  end)

  it("does not wait for a free place in a full queue", function()
    local _, view, first, _, prepared = setup { max_workers = 2, max_queue = 1 }
    local g = gate.new()
    local t = view:map(prepared(function(i)
      if i == first + 1 then
        gate.open(g) -- all that was shared waits for this one
      else
        gate.wait(g)
      end
      return i
    end), range(N)):collect()
    for i = 1, N do assert.equal(i, t[i]) end
  end)

  it("that cannot be rebuilt elsewhere runs item by item, none lost and none twice", function()
    local ex, view, first, last, prepared = setup()
    local fragile = require "spec.support.sample".fragile
    local items = {}
    for i = 1, N do items[i] = fragile(i) end
    local body = prepared(function(i)
      gate.add "shared"
      return i
    end)
    local t = view:map(function(item)
      local y = body(item.id)
      -- what is rebuilt next fails: a part of this chunk
      if item.id == first then gate.add "fragile" end
      return y
    end, items):collect()
    for i = 1, N do assert.equal(i, t[i]) end
    assert.equal(last - first, gate.get "shared")
    assert.equal(0, gate.get "fragile")
    assert.is_true(ex:stats().failed > 0)
  end)
end)

describe("Chunks of random length and cost", function()
  before_each(function() h.seed "map_share_spec" end)
  after_each(h.finish)

  it("give every item once, whatever is done to the map", function()
    local function work(i, us, fails)
      gate.add "ran"
      local start = gate.now()
      repeat until gate.now() - start >= us * 1e-6
      if fails then error(i, 0) end
      return i
    end
    local expected = 0
    for round = 1, math.ceil(12 * h.stress) do
      local ex = h.pool { max_workers = math.random(1, 4),
        max_queue = round % 3 == 0 and math.random(1, 3) or nil,
        max_tasks_per_worker = round % 4 == 0 and math.random(1, 3) or nil }
      local n = math.random(49, 600)
      local ids, costs, fails = range(n), {}, {}
      for i = 1, n do
        costs[i] = math.random() < 0.02 and math.random(3000, 9000) or 0
        fails[i] = math.random() < 0.05
      end
      local iterator = ex:with({ ordered = math.random() < 0.7 }):map(work, ids, costs, fails)
      local leave = math.random() < 0.3 and math.random(n) or nil
      local seen, count = {}, 0
      while count ~= leave do
        local r = table.pack(pcall(iterator))
        if r[1] and r[2] == nil then break end
        local i = r[1] and r[3] or r[2]
        assert(math.type(i) == "integer" and not seen[i] and fails[i] == not r[1])
        seen[i] = true
        count = count + 1
      end
      if not leave then
        assert.equal(n, count)
        expected = expected + n
      end
      iterator:close()
      ex:shutdown()
      if leave then expected = gate.get "ran" end
      assert.equal(expected, gate.get "ran")
    end
  end)
end)

describe("A map of many tiny items", function()
  after_each(h.finish)

  local n = h.sanitized and 100000 or 1000000
  local sum = n * (n + 3) // 2
  local function next_to(x) return x + 1 end

  it("sums up, from a sequence", function()
    local s, count = 0, 0
    for i, y in h.pool(2):map(next_to, range(n)) do
      count = count + 1
      assert(i == count)
      s = s + y
    end
    assert.equal(n, count)
    assert.equal(sum, s)
  end)

  it("sums up, from an iterator function", function()
    local s, at = 0, 0
    for _, y in h.pool(2):map(next_to, function()
      if at < n then
        at = at + 1
        return at
      end
    end) do
      s = s + y
    end
    assert.equal(sum, s)
  end)

  it("sums up, collected and as they complete", function()
    local ex = h.pool(2)
    local s = 0
    local t = ex:map(next_to, range(n)):collect()
    for i = 1, n do s = s + t[i] end
    assert.equal(sum, s)
    for _, y in ex:with({ ordered = false }):map(next_to, range(n)) do s = s - y end
    assert.equal(0, s)
  end)

  it("can be left and collected anywhere", function()
    local ex = h.pool(2)
    for _, given in ipairs { 1, 2, 10, 700, 999, 1000 } do
      local iterator = ex:map(next_to, range(1000))
      for i = 1, given do assert.same({ i, i + 1 }, { iterator() }) end
      local t = iterator:collect()
      assert.equal(1000, t.n)
      for i = given + 1, 1000 do assert.equal(i + 1, t[i]) end
      assert.is_nil(t[given])
      iterator = ex:map(next_to, range(1000))
      for _ = 1, given do iterator() end
      iterator:close()
      assert.is_nil((iterator()))
    end
  end)

  it("is given out by an iterator that checks its caller", function()
    local iterator = h.pool(2):map(next_to, range(100))
    local call = getmetatable(iterator).__call
    h.fails("tidepool.map expected, got number", call, 5)
    h.fails("tidepool.map expected", call, io.stdout)
    assert.same({ 1, 2 }, { call(iterator) })
  end)
end)
