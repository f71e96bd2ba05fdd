-- math.random in workers: the seeds of its sequences.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

-- A number so large that two of them are never equal by chance.
local function draw() return math.random(0) end

local function assert_distinct(list)
  for value, n in pairs(h.set(list)) do assert.equal(1, n, value) end
end

local function range(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

describe("math.random in a new state", function()
  after_each(h.finish)

  it("begins somewhere else in each, made for a task or one after the other", function()
    local drawn = {}
    for _, options in ipairs {
      { max_workers = 2, isolation = "task" },
      { max_workers = 1, isolation = "task" },
      { max_workers = 1, max_tasks_per_worker = 1 },
    } do
      for _, value in ipairs(h.pool(options):map(draw, range(20)):collect()) do
        drawn[#drawn + 1] = value
      end
    end
    for _ = 1, 10 do
      local ex <close> = h.pool(1)
      drawn[#drawn + 1] = ex:submit(draw):result()
    end
    drawn[#drawn + 1] = draw()
    assert.equal(71, #drawn)
    assert_distinct(drawn)
  end)

  it("also in states of one moment, and in those of tasks that others wait for", function()
    local ex, g = h.pool(8), gate.new()
    local fs, drawn = {}, {}
    for i = 1, 8 do
      fs[i] = ex:submit(function(ex_, g_, draw_)
        gate.wait(g_)
        return draw_(), ex_:submit(draw_):result()
      end, ex, g, draw)
    end
    gate.arrived(g, 8)
    gate.open(g)
    for _, f in ipairs(fs) do
      local a, b = f:result()
      drawn[#drawn + 1], drawn[#drawn + 2] = a, b
    end
    assert_distinct(drawn)
  end)

  it("begins where an initializer says", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 1,
      initializer = function() math.randomseed(7) end }
    local a, b = ex:submit(draw):result(), ex:submit(draw):result()
    assert.equal(a, b)
  end)
end)

-- ------------------------------------------------------------------ seed --

-- Returns what the first tasks of a new executor draw.
local function submitted(options, n, with)
  local ex = h.pool(options)
  local by = with and ex:with(with) or ex
  local fs, drawn = {}, {}
  for i = 1, n do fs[i] = by:submit(draw) end
  for i, f in ipairs(fs) do drawn[i] = f:result() end
  return drawn
end

local function mapped(options, items, with, fn)
  local ex = h.pool(options)
  local by = with and ex:with(with) or ex
  return by:map(fn or draw, items):collect()
end

local function without_n(list) return { table.unpack(list) } end

describe("seed", function()
  after_each(h.finish)

  it("has tasks begin at the same places whatever the workers and their states", function()
    local first = submitted({ max_workers = 1, seed = 7 }, 30)
    assert_distinct(first)
    for _, options in ipairs {
      { max_workers = 4, seed = 7 },
      { max_workers = 2, seed = 7, isolation = "task" },
      { max_workers = 2, seed = 7, max_tasks_per_worker = 3 },
      { max_workers = 1, seed = 7, idle_timeout = 0 },
    } do
      assert.same(first, submitted(options, 30))
    end
    local other = submitted({ max_workers = 1, seed = 8 }, 30)
    for i = 1, 30 do assert.not_equal(first[i], other[i]) end
  end)

  it("may be any integer", function()
    local drawn = {}
    for i, seed in ipairs { 0, 1, -1, math.maxinteger, math.mininteger, 3.0 } do
      drawn[i] = submitted({ max_workers = 1, seed = seed }, 1)[1]
    end
    assert_distinct(drawn)
    assert.equal(drawn[6], submitted({ max_workers = 1, seed = 3 }, 1)[1])
    for _, bad in ipairs { 0.5, "1", true } do
      h.fails("option 'seed': integer expected, got", tidepool.executor, { seed = bad })
      h.fails("option 'seed': integer expected, got", h.pool(1).with, h.pool(1), { seed = bad })
    end
  end)

  it("depends on the order of submits, not on that in which tasks run", function()
    local expected = submitted({ max_workers = 1, seed = 7 }, 8)
    local ex, g = h.pool { max_workers = 1, seed = 7 }, gate.new()
    local function gated(draw_, g_)
      gate.wait(g_)
      return draw_()
    end
    local fs = { ex:submit(gated, draw, g) }
    gate.arrived(g, 1)
    for i = 2, 8 do fs[i] = ex:with({ priority = i, name = "n" .. i }):submit(draw) end
    gate.open(g)
    for i, f in ipairs(fs) do assert.equal(expected[i], f:result()) end
  end)

  it("counts tasks that fail, are cancelled or stopped, but no submit that was refused", function()
    local expected = submitted({ max_workers = 1, seed = 7 }, 6)
    local g = gate.new()
    local ex = h.pool { max_workers = 1, max_queue = 1, on_full = "error", seed = 7 }
    ex:submit(gate.wait, g)                                                     -- 1
    gate.arrived(g, 1)
    h.raises("transfer", ex.submit, ex, draw, coroutine.create(print))
    local cancelled = ex:submit(draw)                                           -- 2
    for _ = 1, 5 do h.raises("full", ex.submit, ex, draw) end
    assert.is_true(cancelled:cancel())
    gate.open(g)
    assert.is_string(ex:submit(error, "x"):exception())                         -- 3
    local stopped = ex:with({ time_limit = 0.01 }):submit(function()            -- 4
      while true do math.random() end
    end)
    assert.equal("time_limit", tidepool.error_kind(stopped:exception()))
    assert.equal(expected[5], ex:submit(draw):result())
    assert.equal(expected[6], ex:submit(draw):result())
  end)

  it("of a view counts by itself, also for views made of it", function()
    local expected = submitted({ max_workers = 2, seed = 7 }, 4)
    local ex = h.pool { max_workers = 2, seed = 1 }
    local drawn = {}
    local view = ex:with { seed = 7 }
    drawn[1] = view:submit(draw):result()
    ex:submit(draw):result()
    drawn[2] = view:with({ name = "mine" }):submit(draw):result()
    h.raises("transfer", view.submit, view, draw, coroutine.create(print))
    drawn[3] = view:submit(draw):result()
    drawn[4] = view:with({ priority = 1 }):submit(draw):result()
    assert.same(expected, drawn)
    assert.equal(expected[1], view:with({ seed = 7 }):submit(draw):result())
    local plain = submitted({ max_workers = 1, seed = 1 }, 2)
    assert.equal(plain[2], ex:submit(draw):result(), "the executor's own count")
  end)

  it("holds for Lua's own generator, also if a task replaced what is in math", function()
    local function keep() _G.kept = math.random end
    local function several(name)
      local random = _G[name] or math.random
      local co = coroutine.wrap(function() coroutine.yield(random(0)) end)
      return random(), random(1000), random(0), co()
    end
    local expected = table.pack(h.pool({ max_workers = 1, seed = 7 }):submit(several, ""):result())
    local ex = h.pool { max_workers = 1, seed = 7, initializer = keep }
    ex:with({ seed = 0 }):submit(function()
      rawset(math, "random", function() return 4 end)
      rawset(math, "randomseed", nil)
      rawset(package.loaded, "math", nil)
      rawset(_G, "math", nil)
    end):result()
    assert.same(expected, table.pack(ex:submit(several, "kept"):result()))
  end)

  it("numbers the tasks of a view that was sent to tasks without a seed", function()
    local ex = h.pool(3)
    local view = ex:with { seed = 7 }
    local fs, drawn = {}, {}
    for i = 1, 6 do fs[i] = ex:submit(function() return view:submit(draw):result() end) end
    for i, f in ipairs(fs) do drawn[i] = f:result() end
    local expected = submitted({ max_workers = 1, seed = 7 }, 6)
    table.sort(drawn)
    table.sort(expected)
    assert.same(expected, drawn)
  end)

  it("leaves nothing that can be foreseen to tasks without one", function()
    local drawn = {}
    for _ = 1, 4 do
      local ex = h.pool(1)
      ex:with({ seed = 7 }):submit(draw):result()
      for _ = 1, 3 do drawn[#drawn + 1] = ex:submit(draw):result() end
    end
    assert_distinct(drawn)
  end)

  it("has each initializer begin at the same place", function()
    local function initializer() _G.dealt = math.random(0) end
    local function dealt() return _G.dealt end
    local function first(options)
      options.initializer, options.max_workers = initializer, 1
      return h.pool(options):submit(dealt):result()
    end
    assert.equal(first { seed = 7 }, first { seed = 7 })
    assert.not_equal(first { seed = 7 }, first { seed = 8 })
    assert.not_equal(first {}, first {})
  end)

  it("has tasks of tasks begin below them, whatever runs them", function()
    local function tree(ex, tree_, depth)
      local list = { math.random(0) }
      if depth == 0 then return list end
      local fs = {}
      for i = 1, 3 do fs[i] = ex:submit(tree_, ex, tree_, depth - 1) end
      for i = #fs, 1, -1 do list[#list + 1] = fs[i]:result() end
      list[#list + 1] = ex:map(function() return math.random(0) end, { 1, 2, 3 }):collect()
      list[#list + 1] = math.random(0)
      return list
    end
    local function run(workers)
      local ex = h.pool { max_workers = workers, seed = 7 }
      local a, b = ex:submit(tree, ex, tree, 2), ex:submit(tree, ex, tree, 2)
      return { a:result(), b:result() }
    end
    local first = run(1)
    assert.same(first, run(4))
    local flat = {}
    local function flatten(t)
      for _, v in ipairs(t) do
        if type(v) == "table" then flatten(v) else flat[#flat + 1] = v end
      end
    end
    flatten(first)
    assert_distinct(flat)
  end)
end)

describe("seed of a map", function()
  after_each(h.finish)

  local function three() return { math.random(0), math.random(0), math.random(0) } end

  it("has each item begin at its own place, whatever the chunks and workers", function()
    local items = range(300)
    local expected = mapped({ max_workers = 1, seed = 7 }, items, { chunksize = 1 })
    assert_distinct(without_n(expected))
    for _, with in ipairs {
      { chunksize = 7 }, { chunksize = 300 }, { chunksize = "auto" }, { buffersize = 5 },
      { chunksize = 50, buffersize = 120 },
    } do
      for _, workers in ipairs { 1, 3 } do
        assert.same(expected, mapped({ max_workers = workers, seed = 7 }, items, with))
      end
    end
    local with = { seed = 7, chunksize = 11 }
    assert.same(expected, mapped({ max_workers = 2, seed = 1 }, items, with))
    assert.same(expected, mapped({ max_workers = 2 }, items, with))
    local rows = mapped({ max_workers = 2, seed = 7 }, items, with, three)
    for i, row in ipairs(rows) do assert.equal(expected[i], row[1]) end
  end)

  it("of an iterator function, of several, out of order", function()
    local expected = mapped({ max_workers = 1, seed = 7 }, range(200))
    local function count()
      local i = 0
      return function()
        i = i + 1
        if i <= 200 then return i end
      end
    end
    assert.same(expected, mapped({ max_workers = 3, seed = 7 }, count()))
    local ex, drawn = h.pool { max_workers = 3, seed = 7 }, {}
    for i, v in ex:with({ ordered = false }):map(draw, count(), range(200)) do drawn[i] = v end
    assert.same(without_n(expected), drawn)
  end)

  it("does not depend on which worker takes a part of a chunk", function()
    local n = 24
    local expected = mapped({ max_workers = 1, seed = 7 }, range(n), { chunksize = 1 })
    local g = gate.new()
    gate.open(g)
    local before = gate.get "shares"
    local function slow(_, g_)
      local value = math.random(0)
      local late = gate.now() + 0.004 -- long enough for the chunk to be shared
      while gate.now() < late do gate.pause() end
      gate.add "shares"
      gate.wait(g_)
      return value
    end
    local gates = {}
    for i = 1, n do gates[i] = g end
    local ex = h.pool { max_workers = 4, seed = 7 }
    local i = 0
    local function items() -- measured, so in chunks that may be shared
      i = i + 1
      if i <= n then return i, g end
    end
    assert.same(expected, ex:map(slow, items):collect())
    i = 0
    ex = h.pool { max_workers = 4, seed = 7 }
    assert.same(expected, ex:map(slow, range(n), gates):collect())
    assert.equal(before + 2 * n, gate.get "shares")
  end)

  it("continues behind items that fail", function()
    local expected = mapped({ max_workers = 1, seed = 7 }, range(100))
    local it_ = h.pool({ max_workers = 2, seed = 7 }):with({ chunksize = 25 }):map(function(i)
      local value = math.random(0)
      if i % 3 == 0 then error(value, 0) end
      return value
    end, range(100))
    for i = 1, 100 do
      local ok, index, value = pcall(it_)
      if ok then
        assert.equal(i, index)
      else
        value = index
      end
      assert.equal(expected[i], value)
    end
  end)

  it("counts each map afresh", function()
    local ex = h.pool { max_workers = 2, seed = 7 }
    local first = ex:map(draw, range(10)):collect()
    ex:submit(draw):result()
    assert.same(first, ex:map(draw, range(10)):collect())
    assert.not_same(first, ex:with({ seed = 8 }):map(draw, range(10)):collect())
  end)
end)

describe("seed of an inline executor", function()
  after_each(h.finish)

  it("gives the numbers that workers draw, and leaves the script's own as they were", function()
    local function initializer() _G.dealt = math.random(0) end
    local function pair(ex)
      local child = ex:submit(draw):result()
      return _G.dealt, math.random(0), child, ex:map(draw, { 1, 2 }):collect()
    end
    local function run(options)
      options.seed, options.initializer = 7, initializer
      local ex = h.pool(options)
      local list = { table.pack(ex:submit(pair, ex):result()) }
      list[2] = ex:map(draw, range(60)):collect()
      list[3] = ex:with({ seed = 9 }):submit(draw):result()
      h.raises("transfer", ex.submit, ex, draw, coroutine.create(print))
      list[4] = ex:submit(draw):result()
      return list
    end
    local expected = run { max_workers = 1 }
    math.randomseed(42)
    local own = { math.random(0), math.random(0) }
    math.randomseed(42)
    assert.equal(own[1], math.random(0))
    local drawn = run { inline = true }
    assert.equal(own[2], math.random(0))
    assert.same(expected, drawn)
    math.randomseed(os.time())
  end)
end)
