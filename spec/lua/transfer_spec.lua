-- What can be sent, both ways: values and tables. Functions are in transfer_function_spec,
-- refusals in transfer_refusal_spec.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local deep = require "spec.support.deep"
local gate = require "gate"
local sample = require "spec.support.sample"
local tidepool = require "tidepool"

-- What stands for "many". Fewer where the collector runs at each allocation and visits all of them.
local function many(n) return h.collects and n // 100 or n end
local DEEP = h.collects and 2000 or 100000 -- more levels than may be sent

local function echo(...) return ... end
local function raise(value) error(value, 0) end

-- Returns the value after it was sent through a task, as a result and as an error; both must be the
-- same.
local function through(value)
  local ex = h.pool(1)
  local back = ex:submit(echo, value):result()
  local _, err = ex:submit(raise, value):pcall()
  local ok, where = deep.same(back, err)
  assert.is_true(ok, where)
  return back
end

local function assert_through(value)
  local ok, where = deep.same(value, through(value))
  assert.is_true(ok, where)
end

describe("Scalars are sent as what they are:", function()
  after_each(h.finish)

  it("nil and booleans", function()
    local r = table.pack(h.pool(1):submit(echo, nil, true, false, nil):result())
    assert.same({ nil, true, false, nil, n = 4 }, r)
  end)

  it("integers, the smallest and the largest", function()
    for _, i in ipairs { 0, 1, -1, 127, 128, 255, 256, -129, 1 << 31, 1 << 53,
      math.maxinteger, math.mininteger, math.mininteger + 1 } do
      assert_through(i)
    end
  end)

  it("floats with integral values", function()
    for _, f in ipairs { 0.0, 1.0, -1.0, 2.0 ^ 53, 2.0 ^ 63, 1e300 } do assert_through(f) end
  end)

  it("NaN, -0.0, infinities, the smallest float", function()
    for _, f in ipairs { 0 / 0, -0.0, math.huge, -math.huge, 5e-324 } do assert_through(f) end
    assert.equal(-math.huge, 1 / through(-0.0))
  end)

  it("strings of any bytes and any length", function()
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    for _, s in ipairs { "", "\0", "a\0b\0", table.concat(all), ("x"):rep(40), ("y"):rep(41),
      ("long\0"):rep(500000), "1", "0x10", "é" } do
      assert_through(s)
    end
  end)

  it("light userdata", function()
    local p = gate.light(0x1234)
    assert.equal(p, through(p))
    assert.equal(gate.light(0), through(gate.light(0)))
  end)

  it("the number of arguments and results, up to many", function()
    local n = 200
    local r = table.pack(h.pool(1):submit(function(...) return select("#", ...), ... end,
      table.unpack({}, 1, n)):result())
    assert.equal(n + 1, r.n)
    assert.equal(n, r[1])
  end)
end)

describe("Tables are sent", function()
  after_each(h.finish)

  it("as copies, with all their pairs", function()
    local t = { 1, 2.0, "three", { 4 }, x = true, [false] = 0, [1.5] = "f", [-1] = "i", [""] = "e" }
    assert_through(t)
    assert.are_not.equal(t, through(t))
  end)

  it("with holes, and with integer and float lists", function()
    assert_through { 1, nil, 3, nil, nil, 6 }
    assert_through { 1.5, 2.5, 3, 4.5 }
    assert_through { 1, 2, 3, 4.0, 5 }
    assert_through { math.mininteger, -1, 0, math.maxinteger }
    assert_through { 0 / 0, -0.0, 0.0 }
    assert_through { [0] = 0, 1, 2 }
    assert_through { [math.maxinteger] = 1, [math.mininteger] = 2 }
    assert_through {}
  end)

  it("with cycles", function()
    local t = { name = "loop" }
    t.self = t
    t.list = { t, { t } }
    t[t] = t
    assert_through(t)
  end)

  it("with shared references, within a message", function()
    local shared = { "shared" }
    local back = through { shared, shared, { shared } }
    assert.equal(back[1], back[2])
    assert.equal(back[1], back[3][1])
    local a, b = h.pool(1):submit(function(x, y)
      return x == y, x
    end, shared, shared):result()
    assert.is_true(a)
    assert.same(shared, b)
  end)

  it("with tables as keys", function()
    local key = { "key" }
    local back = through { [key] = "value", key = key }
    assert.equal("value", back[back.key])
  end)

  it("with their metatables, whose identity is kept within a message", function()
    local meta = { __name = "thing", extra = 1 }
    local back = through { setmetatable({ 1 }, meta), setmetatable({ 2 }, meta), meta }
    assert.equal(getmetatable(back[1]), getmetatable(back[2]))
    assert.equal(getmetatable(back[1]), back[3])
    assert.equal("thing", back[3].__name)
  end)

  it("with metamethods that work in the worker", function()
    local meta = {
      __add = function(a, b) return a.n + b.n end,
      __index = function(_, k) return "no " .. k end,
      __len = function() return 99 end,
    }
    local x = setmetatable({ n = 1 }, meta)
    assert.same({ 2, "no z", 99 }, { h.pool(1):submit(function(a)
      return a + a, a.z, #a
    end, x):result() })
  end)

  it("without calling __index, __pairs, __len or __gc on the way", function()
    local function never() error "called" end
    local x = setmetatable({ 1, a = 2 }, { __index = never, __pairs = never, __len = never })
    assert.same({ 1, 2 }, { h.pool(1):submit(function(t)
      return rawget(t, 1), rawget(t, "a")
    end, x):result() })
  end)

  it("with a protected metatable as well", function()
    local x = setmetatable({ 5 }, { __metatable = "locked", __len = function() return 7 end })
    local y, n = h.pool(1):submit(function(t) return getmetatable(t), #t end, x):result()
    assert.equal("locked", y)
    assert.equal(7, n)
  end)

  it("that are large", function()
    local t = {}
    for i = 1, many(100000) do t[i] = i end
    assert.same(t, through(t))
    local records = {}
    for i = 1, many(2000) do records[i] = { id = i, name = "n" .. i, tags = { "a", "b", i } } end
    assert_through(records)
  end)
end)

describe("Depth", function()
  after_each(h.finish)

  local function nested(levels)
    local t = { "bottom" }
    for _ = 2, levels do t = { t } end
    return t
  end

  local function levels(t)
    local n = 1
    while type(t[1]) == "table" do
      t = t[1]
      n = n + 1
    end
    return n
  end

  it("of at least 200 levels is sent, both ways", function()
    assert.equal(200, levels(through(nested(200))))
  end)

  it("over the limit is refused with kind transfer, and the limit is named", function()
    local ex = h.pool(1)
    for _, n in ipairs(h.collects and { DEEP } or { 5000, 100000, 1000000 }) do
      local err = h.raises("transfer", ex.submit, ex, echo, nested(n))
      assert.matches("%d+ levels", err.message)
    end
    assert.equal(1, ex:submit(echo, 1):result())
  end)

  it("over the limit fails the future of a task that returns it", function()
    local f = h.pool(1):submit(function(n)
      local t = {}
      for _ = 1, n do t = { t } end
      return t
    end, DEEP)
    assert.equal("transfer", tidepool.error_kind(f:exception()))
  end)

  it("is counted for metatables and upvalues too", function()
    local ex = h.pool(1)
    local t, f = {}, function() end
    for _ = 1, DEEP do
      t = setmetatable({}, t)
      local inner = f
      f = function() return inner end
    end
    h.raises("transfer", ex.submit, ex, echo, t)
    h.raises("transfer", ex.submit, ex, f)
  end)

  it("is not width", function()
    local t = {}
    for i = 1, many(10000) do t[i] = { i } end
    assert_through(t)
  end)
end)

describe("By name go", function()
  after_each(h.finish)

  it("standard functions, tables and files", function()
    for _, value in ipairs { string, table, math, string.format, print, io.stdout, io.stderr,
      pairs, require, package.loaded, package, debug.traceback } do
      assert.equal(value, through(value))
    end
  end)

  it("_G and _ENV", function()
    assert.equal(_G, through(_G))
    local env = _ENV
    assert.is_true(h.pool(1):submit(function() return env == _G and _ENV == _G end):result())
  end)

  it("io.stdout as the worker's own", function()
    local out = io.stdout
    assert.is_true(h.pool(1):submit(function() return out == io.stdout end):result())
  end)

  it("modules that the worker can require", function()
    assert.equal(sample, through(sample))
    assert.is_true(h.pool(1):submit(function()
      return sample == require "spec.support.sample"
    end):result())
  end)

  it("functions and tables that are fields of such a module", function()
    assert.equal(sample.double, through(sample.double))
    assert.equal(sample.shape, through(sample.shape))
    assert.is_true(h.pool(1):submit(function(f, t)
      local m = require "spec.support.sample"
      return f == m.double and t == m.shape
    end, sample.double, sample.shape):result())
  end)

  it("metatables that belong to such a module", function()
    local p = sample.point(3, 4)
    assert.equal(sample.Point, getmetatable(through(p)))
    assert.is_true(h.pool(1):submit(function(q)
      return getmetatable(q) == require "spec.support.sample".Point and q:length() == 5
    end, p):result())
  end)

  it("C modules", function()
    assert.equal(gate, through(gate))
    assert.equal(gate.add, through(gate.add))
  end)

  it("no objects that only a searchpath of the script's own would find", function()
    local real, shape = package.searchpath, { sides = 3 }
    package.loaded["spec.no.such.module"] = { shape = shape, f = function() return 1 end }
    package.searchpath = function() return true end -- luacheck: ignore 122
    local ok, copy = pcall(through, { shape, package.loaded["spec.no.such.module"].f })
    package.searchpath = real -- luacheck: ignore 122
    package.loaded["spec.no.such.module"] = nil
    assert.is_true(ok, copy)
    assert.are_not.equal(shape, copy[1])
    assert.equal(1, copy[2]())
  end)

  it("tidepool itself", function()
    assert.equal(tidepool, through(tidepool))
  end)
end)

describe("__transfer", function()
  after_each(h.finish)

  it("says how to rebuild a table on the other side", function()
    local x = setmetatable({ secret = coroutine.create(print) }, {
      __transfer = function(self)
        return "spec.support.sample.rebuild", type(self.secret), nil, 3
      end,
    })
    local back = through(x)
    assert.same({ rebuilt = { "thread", nil, 3, n = 3 } }, back)
  end)

  it("says how to rebuild a userdata on the other side", function()
    local u = gate.userdata()
    debug.setmetatable(u, { __transfer = function() return "spec.support.sample.rebuild", "u" end })
    assert.same({ rebuilt = { "u", n = 1 } }, through(u))
  end)

  it("may remove the metatable of the table around it", function()
    local outer = setmetatable({}, { __index = { a = 1 } })
    outer[1] = setmetatable({}, {
      __transfer = function()
        setmetatable(outer, nil)
        return "string.rep", "x", 3
      end,
    })
    local f = h.pool(1):submit(function(v) return v end, { 1, { x = outer, y = 5, z = outer } })
    local list = f:result()
    assert.equal(list[2].x, list[2].z)
    assert.same({ 1, 1, 5, "xxx" }, { list[1], list[2].x.a, list[2].y, list[2].x[1] })
  end)

  it("keeps identity within a message", function()
    local x = setmetatable({}, { __transfer = function() return "spec.support.sample.rebuild" end })
    local back = through { x, x }
    assert.equal(back[1], back[2])
    assert.same({ n = 0 }, back[1].rebuilt)
  end)

  it("is used in the worker for results", function()
    local back = h.pool(1):submit(function()
      return setmetatable({}, { __transfer = function()
        return "spec.support.sample.rebuild", "from the worker"
      end })
    end):result()
    assert.equal("from the worker", back.rebuilt[1])
  end)
end)

describe("Handles of the library are sent by reference:", function()
  after_each(h.finish)

  it("futures as arguments and results", function()
    local ex, p = h.pool(2), tidepool.future()
    p:set_result(42)
    assert.equal(42, ex:submit(function(f) return f:result() end, p):result())
    local back = ex:submit(echo, p):result()
    assert.equal(42, back:result())
    local g = gate.new()
    local f = ex:submit(function() gate.wait(g) return "waited for" end)
    local other = ex:submit(function(x) return x:result() end, f)
    gate.open(g)
    assert.equal("waited for", other:result())
  end)

  it("executors as arguments: a task submits more", function()
    local ex = h.pool(2)
    local inner = ex:submit(function(pool) return pool:submit(string.upper, "nested") end, ex)
    assert.equal("NESTED", inner:result():result())
  end)

  it("and show the same state everywhere", function()
    local ex, p = h.pool(1), tidepool.future()
    ex:submit(function() p:set_result("set by a task") end):result()
    assert.equal("set by a task", p:result(0))
  end)
end)
