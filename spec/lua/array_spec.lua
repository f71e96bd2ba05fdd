-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local gate = require "gate"
local tidepool = require "tidepool"

local array = tidepool.array

local function collect()
  collectgarbage()
  collectgarbage()
end

-- type -> bytes, least, greatest; nil for floats
local integers = {
  i8 = { 1, -128, 127 }, i16 = { 2, -32768, 32767 }, i32 = { 4, -2147483648, 2147483647 },
  i64 = { 8, math.mininteger, math.maxinteger },
  u8 = { 1, 0, 255 }, u16 = { 2, 0, 65535 }, u32 = { 4, 0, 4294967295 },
}

local function set(a, i, v) a[i] = v end
local function get(a, i) return a[i] end

describe("An array is made", function()
  after_each(h.finish)

  it("from a count, of zeros", function()
    for _, type in ipairs { "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64" } do
      local a = array(type, 5)
      assert.equal(5, #a)
      assert.equal(type, a:type())
      assert.same({ 0, 0, 0, 0, 0 }, a:totable())
      assert.equal(type:sub(1, 1) == "f" and "float" or "integer", math.type(a[1]))
    end
    assert.equal(0, #array("u8", 0))
    assert.equal(7, #array("u8", 7.0))
  end)

  it("from a table, whose items are checked", function()
    assert.same({ 1, 2, 255 }, array("u8", { 1, 2.0, 255 }):totable())
    assert.same({}, array("f32", {}):totable())
    h.fails("item 2: 256 is out of range of u8 (0 to 255)", array, "u8", { 1, 256, 3 })
    h.fails("item 1: i32: number expected, got string", array, "i32", { "1" })
    h.fails("item 3: 0.5 is no integer, which i8 needs", array, "i8", { 1, 2, 0.5 })
    h.fails("item 2: f64: number expected, got nil", array, "f64",
      setmetatable({ 1 }, { __len = function() return 2 end }))
  end)

  it("from what behaves like a table", function()
    local squares = setmetatable({}, {
      __len = function() return 4 end, __index = function(_, i) return i * i end,
    })
    assert.same({ 1, 4, 9, 16 }, array("u16", squares):totable())
    local odd = setmetatable({}, { __len = function() return 2 end, __index = error })
    assert.is_false(pcall(array, "u16", odd))
    h.fails("a length cannot be -1", array, "u8",
      setmetatable({}, { __len = function() return -1 end }))
  end)

  it("from an array of another type", function()
    assert.same({ 1.0, 2.0 }, array("f64", array("u8", { 1, 2 })):totable())
    h.fails("item 2: 300 is out of range of u8", array, "u8", array("i16", { 1, 300 }))
  end)

  it("from the bytes of a string", function()
    assert.same({ 65, 0, 255 }, array("u8", "A\0\255"):totable())
    assert.same({ 1.5, -2 }, array("f64", string.pack("=dd", 1.5, -2)):totable())
    assert.same({}, array("i64", ""):totable())
    h.fails("5 bytes are not a whole number of u32, of 4 bytes each", array, "u32", "12345")
  end)

  it("not from other things", function()
    h.fails("unknown type 'u9'", array, "u9", 1)
    h.fails("bad argument #1", array)
    h.fails("count, table, string or array expected, got no value", array, "u8")
    h.fails("count, table, string or array expected, got boolean", array, "u8", true)
    h.fails("count, table, string or array expected, got FILE*", array, "u8", io.stdout)
    h.fails("a count cannot be -1", array, "u8", -1)
    h.fails("no integer representation", array, "u8", 1.5)
    h.fails("not enough memory", array, "u8", math.maxinteger)
    h.fails("not enough memory", array, "f64", math.maxinteger)
  end)
end)

describe("An element", function()
  after_each(h.finish)

  it("of an integer type holds exactly its range", function()
    for type, limits in pairs(integers) do
      local least, greatest = limits[2], limits[3]
      local a = array(type, 2)
      a[1], a[2] = least, greatest
      assert.equal(least, a[1])
      assert.equal(greatest, a[2])
      a[1] = greatest + 0.0 == greatest and greatest + 0.0 or 1.0 -- floats without a fraction
      assert.equal("integer", math.type(a[1]))
      if limits[1] < 8 then
        local range = ("is out of range of %s (%d to %d)"):format(type, least, greatest)
        h.fails(least - 1 .. " " .. range, set, a, 1, least - 1)
        h.fails(greatest + 1 .. " " .. range, set, a, 1, greatest + 1)
        h.fails(range, set, a, 1, math.mininteger)
        h.fails(range, set, a, 1, math.maxinteger)
      end
      h.fails("is out of range of " .. type, set, a, 1, 2.0 ^ 70)
      h.fails("inf is no integer, which " .. type .. " needs", set, a, 1, math.huge)
      h.fails("0.5 is no integer", set, a, 1, 0.5)
      h.fails("nan is no integer", set, a, 1, 0 / 0)
      assert.equal(greatest, a[2]) -- none of it wrote anything
    end
  end)

  it("of u64 reads back as the integer of its bits", function()
    local a = array("u64", { 0, math.maxinteger, -1, math.mininteger, 2.0 ^ 63, 2.0 ^ 64 - 2048 })
    assert.same({ 0, math.maxinteger, -1, math.mininteger, math.mininteger, -2048 }, a:totable())
    h.fails("1.844674407371e+19 is out of range of u64 (0 to 18446744073709551615)", set, a, 1,
      2.0 ^ 64)
    h.fails("out of range of u64", set, a, 1, -2.0 ^ 63 - 2048)
  end)

  it("of a float type holds any number, rounded as C does", function()
    local d, f = array("f64", 5), array("f32", 5)
    for _, v in ipairs { 0.1, -0.0, math.huge, 5e-324, 2.0 ^ 53, 1e300, 12 } do
      d[1], f[1] = v, v
      assert.equal(v, d[1])
      assert.equal(string.unpack("=f", string.pack("=f", v)), f[1])
      assert.equal("float", math.type(f[1]))
    end
    d[1], f[1] = 0 / 0, 0 / 0
    assert.is_true(d[1] ~= d[1] and f[1] ~= f[1])
    d[1] = -0.0
    assert.equal(-math.huge, 1 / d[1])
    d[1] = math.maxinteger
    assert.equal(2.0 ^ 63, d[1])
    h.fails("f64: number expected, got string", set, d, 1, "1")
    h.fails("f32: number expected, got nil", set, f, 1, nil)
  end)

  it("must exist", function()
    local a = array("u8", 3)
    for _, i in ipairs { 0, -1, 5, math.maxinteger, math.mininteger } do
      h.fails(("index %d is out of range (1 to 3)"):format(i), get, a, i)
      h.fails(("index %d is out of range (1 to 3)"):format(i), set, a, i, 0)
    end
    h.fails("index 4 is out of range (1 to 3)", set, a, 4, 0)
    assert.is_nil(a[4]) -- where ipairs ends
    h.fails("index must be an integer, got 1.5", get, a, 1.5)
    h.fails("index must be an integer, got 1.5", set, a, 1.5, 0)
    h.fails("index must be an integer, got boolean", get, a, true)
    h.fails("index must be an integer, got nil", get, a, nil)
    h.fails("index must be an integer, got string", set, a, "1", 0)
    h.fails("index must be an integer, got string", set, a, "fill", 0)
    h.fails("index 1 is out of range: the array is empty", set, array("u8", 0), 1, 0)
    assert.equal(0, a[1.0])
    assert.is_nil(a["1"])
    assert.is_nil(a.nothing)
  end)

  it("is reached only through an array", function()
    local mt = getmetatable(array("u8", 1))
    for _, other in ipairs { {}, "x", io.stdout, tidepool.future() } do
      h.fails("tidepool.array expected", mt.__index, other, 1)
      h.fails("tidepool.array expected", mt.__newindex, other, 1, 1)
      h.fails("tidepool.array expected", array("u8", 1).type, other)
    end
    h.fails("calling 'fill' on bad self", array("u8", 1).fill, 1)
  end)
end)

describe("Arrays as sequences:", function()
  after_each(h.finish)

  it("#, ipairs, table functions", function()
    local a, sum = array("i16", { 3, -1, 2 }), 0
    for i, v in ipairs(a) do sum = sum + i * v end
    assert.equal(7, sum)
    assert.same({ 3, -1, 2 }, { table.unpack(a) })
    assert.equal("3,-1,2", table.concat(a, ","))
    table.sort(a)
    assert.same({ -1, 2, 3 }, a:totable())
  end)

  it("tostring, ==, core.type", function()
    local a = array("f32", 3)
    assert.matches("^tidepool%.array: %S+ %(f32, 3%)$", tostring(a))
    assert.equal("array", core.type(a))
    assert.is_true(a == a:slice() and a == a:slice(1, 3) and a ~= a:slice(1, 2))
    assert.is_true(a ~= array("f32", 3) and a ~= tidepool.future())
  end)
end)

describe("Ranges", function()
  after_each(h.finish)

  local function numbers() return array("u8", { 1, 2, 3, 4, 5 }) end

  it("are as those of string.sub", function()
    local s = "\1\2\3\4\5"
    for i = -5, 6 do
      for j = -5, 5 do
        if i ~= 0 then
          assert.equal(s:sub(i, j), numbers():tostring(i, j), i .. ", " .. j)
          assert.same({ s:byte(i, j) }, numbers():slice(i, j):totable())
          assert.same({ s:byte(i, j) }, numbers():totable(i, j))
        end
      end
    end
    assert.equal("\3\4\5", numbers():tostring(3))
    assert.equal("\1\2", numbers():tostring(nil, 2))
    assert.equal(s, numbers():tostring())
  end)

  it("must lie within the array", function()
    for _, name in ipairs { "slice", "tostring", "totable" } do
      local function call(...)
        local a = numbers()
        return a[name](a, ...)
      end
      h.fails(("bad argument #1 to '%s' (7 is out of range (1 to 6))"):format(name), call, 7)
      h.fails(("bad argument #1 to '%s' (0 is out of range (1 to 6))"):format(name), call, 0)
      h.fails(("bad argument #1 to '%s' (-6 is out of range (1 to 6))"):format(name), call, -6)
      h.fails(("bad argument #2 to '%s' (6 is out of range (0 to 5))"):format(name), call, 1, 6)
      h.fails("(-7 is out of range", call, 1, -7)
      h.fails("no integer representation", call, 1.5)
      h.fails("integer expected, got string", call, "1")
      h.fails("out of range", call, math.mininteger)
    end
  end)

  it("of an empty array are empty", function()
    local e = array("f64", 0)
    assert.same({}, e:totable())
    assert.equal("", e:tostring())
    assert.equal(0, #e:slice())
    assert.equal(0, #e:slice(1, 0))
    assert.equal(0, #e:copy())
    e:fill(1)
    e:copy(e)
  end)
end)

describe("slice", function()
  after_each(h.finish)

  it("shows the same memory, also of a slice", function()
    local a = array("i32", 10)
    local s = a:slice(3, 8)
    local inner = s:slice(2, -2)
    a[4] = 44
    assert.equal(44, s[2])
    assert.equal(44, inner[1])
    inner[4] = 77
    assert.equal(77, a[7])
    assert.equal(4, #inner)
    h.fails("index 5 is out of range (1 to 4)", set, inner, 5, 0)
  end)

  it("keeps the memory", function()
    local s = array("f64", { 1, 2, 3 }):slice(2)
    collect()
    assert.same({ 2, 3 }, s:totable())
  end)
end)

describe("fill", function()
  after_each(h.finish)

  it("sets a range, and returns the array", function()
    for type in pairs(integers) do
      local a = array(type, 21)
      assert.equal(a, a:fill(7))
      a:fill(9, 4, -3)
      for i = 1, 21 do assert.equal((i >= 4 and i <= 19) and 9 or 7, a[i]) end
    end
    assert.same({ 0.5, 0.5, 0.25 }, array("f32", 3):fill(0.5):fill(0.25, 3):totable())
    assert.same({ 0, 0 }, array("u8", 2):fill(1, 3):totable())
  end)

  it("checks the value and the range", function()
    h.fails("bad argument #1 to 'fill' (256 is out of range of u8", function()
      array("u8", 2):fill(256)
    end)
    h.fails("bad argument #1 to 'fill' (u8: number expected, got no value)", function()
      array("u8", 2):fill()
    end)
    h.fails("bad argument #2 to 'fill' (4 is out of range (1 to 3))", function()
      array("u8", 2):fill(1, 4)
    end)
  end)
end)

describe("copy", function()
  after_each(h.finish)

  it("makes a new array", function()
    local a = array("i64", { 1, 2, 3 })
    local b = a:copy()
    a[1] = 9
    assert.same({ 1, 2, 3 }, b:totable())
    assert.equal("i64", b:type())
    assert.same({ 2, 3 }, a:slice(2):copy():totable())
  end)

  it("copies another one in", function()
    local a = array("u16", 6)
    assert.equal(a, a:copy(array("u16", { 1, 2 })))
    a:copy(array("u16", { 3, 4 }), 3):copy(array("u16", { 5 }), -1)
    assert.same({ 1, 2, 3, 4, 0, 5 }, a:totable())
  end)

  it("copies within the same memory", function()
    for _, type in ipairs { "u8", "u16", "u32", "f64" } do
      local expected = {}
      for i = 1, 40 do expected[i] = i end
      local a = array(type, expected)
      a:copy(a:slice(1, 30), 4)
      table.move(expected, 1, 30, 4)
      assert.same(expected, a:totable())
      a:copy(a:slice(6), 2)
      table.move(expected, 6, 40, 2)
      assert.same(expected, a:totable())
    end
  end)

  it("checks type and range", function()
    local a = array("u8", 3)
    h.fails("an array of u8 expected, got one of i8", a.copy, a, array("i8", 1))
    h.fails("4 elements from 1 on do not fit (1 to 3)", a.copy, a, array("u8", 4))
    h.fails("2 elements from 3 on do not fit (1 to 3)", a.copy, a, array("u8", 2), 3)
    h.fails("5 is out of range (1 to 4)", a.copy, a, array("u8", 0), 5)
    h.fails("tidepool.array expected, got table", a.copy, a, { 1 })
    h.fails("tidepool.array expected, got nil", a.copy, a, nil)
  end)
end)

describe("add", function()
  after_each(h.finish)

  it("returns the new value, and wraps around", function()
    for type, limits in pairs(integers) do
      local a = array(type, 3)
      assert.equal(5, a:add(2, 5))
      assert.equal(4, a:add(2, -1))
      a[2] = limits[3]
      assert.equal(limits[2], a:add(2, 1))
      assert.equal(limits[3], a:add(2, -1))
      assert.equal(limits[3], a:add(2, 1 << 32 << 32)) -- 0
      assert.same({ 0, limits[3], 0 }, a:totable())
    end
    local u = array("u64", { -1 })
    assert.equal(0, u:add(1, 1))
    assert.equal(2, u:add(1, 2.0))
  end)

  it("checks what it is given", function()
    local a = array("u8", 3)
    h.fails("f64 is no integer type", array("f64", 1).add, array("f64", 1), 1, 1)
    h.fails("index 4 is out of range (1 to 3)", a.add, a, 4, 1)
    h.fails("index 0 is out of range (1 to 3)", a.add, a, 0, 1)
    h.fails("index must be an integer, got 1.5", a.add, a, 1.5, 1)
    h.fails("bad argument #1 to 'add' (integer expected, got string)", a.add, a, "1", 1)
    h.fails("bad argument #2 to 'add' (integer expected, got no value)", a.add, a, 1)
    h.fails("no integer representation", a.add, a, 1, 0.5)
  end)
end)

describe("An array that is sent", function()
  after_each(h.finish)

  it("is the same memory everywhere: arguments, upvalues, results, promises, globals", function()
    local ex, a, p = h.pool(2), array("i32", 10), tidepool.future()
    ex:submit(function(b) b[1] = 1 end, a):result()
    ex:submit(function() a[2] = 2 end):result()
    local back, part = ex:submit(function(b)
      b[3] = 3
      return b, b:slice(4, 5)
    end, a):result()
    back[6] = 6
    part[1] = 4
    p:set_result({ a })
    ex:submit(function(f) f:result()[1][7] = 7 end, p):result()
    _G.spec_array = a
    ex:submit(function() set(spec_array, 8, 8) end):result() -- luacheck: read globals spec_array
    _G.spec_array = nil
    local err = ex:submit(function(b) error { b } end, a):exception()
    err[1][9] = 9
    assert.same({ 1, 2, 3, 4, 0, 6, 7, 8, 9, 0 }, a:totable())
  end)

  it("comes back as itself", function()
    local ex, a = h.pool(1), array("u8", 4)
    local s = a:slice(2, 3)
    local b, t, c = ex:submit(function(...) return ... end, a, s, a):result()
    assert.is_true(rawequal(a, b) and rawequal(a, c) and rawequal(s, t))
    local same = ex:submit(function(x)
      _G.kept = _G.kept or x
      return rawequal(_G.kept, x)
    end, a)
    assert.is_true(same:result())
    assert.is_true(ex:submit(function(x) return rawequal(_G.kept, x) end, a):result())
  end)

  it("is what map iterates over", function()
    local ex, a = h.pool(2), array("f64", 5000)
    for i = 1, #a do a[i] = i / 2 end
    local n = 0
    for i, y, x in ex:map(function(x, k) return x * k, x end, a, array("u8", 5000):fill(3)) do
      n = n + 1
      assert(y == i / 2 * 3 and x == i / 2)
    end
    assert.equal(5000, n)
    assert.same({ n = 0 }, ex:map(print, array("u8", 0)):collect())
  end)

  it("lives as long as something refers to it", function()
    local ex = h.pool(1)
    local function part()
      local a = array("u32", 1000):fill(42)
      local f = ex:submit(function(x) return x:slice(10, 20) end, a)
      a = nil -- luacheck: ignore
      f:wait()
      collect()
      return f:result()
    end
    local s = part()
    collect()
    ex:shutdown()
    collect()
    assert.same({ 42, 42, 42 }, s:totable(1, 3))
  end)

  it("is refused once it was collected", function()
    local ex, seen = h.pool(1), nil
    do
      local a = array("u8", 4)
      setmetatable({}, { __gc = function() seen = a end })
    end
    collect()
    collect()
    assert.equal(0, #seen)
    assert.equal("tidepool.array: (collected)", tostring(seen))
    h.fails("the array is collected already", seen.slice, seen)
    h.contains("cannot send this tidepool.array", h.raises("transfer", ex.submit, ex, print,
      seen).message)
  end)
end)

describe("Threads that share an array", function()
  after_each(h.finish)

  local rounds = h.sanitized and 500 or 20000

  it("add to it without loss", function()
    for _, type in ipairs { "u64", "i32", "u16", "i8" } do
      local ex, a, g, fs = h.pool(4), array(type, 3), gate.new(), {}
      for w = 1, 4 do
        fs[w] = ex:submit(function(n)
          gate.wait(g)
          for _ = 1, n do a:add(2, 1) end
        end, rounds)
      end
      gate.arrived(g, 4)
      gate.open(g)
      for w = 1, 4 do fs[w]:result() end
      assert.same({ 0, array(type, 1):add(1, 4 * rounds), 0 }, a:totable())
    end
  end)

  it("hand out each number once", function()
    local ex, taken, marks = h.pool(4), array("i64", 1), array("u8", 4 * rounds)
    local fs = {}
    for w = 1, 4 do
      fs[w] = ex:submit(function()
        for _ = 1, rounds do marks:add(taken:add(1, 1), 1) end
      end)
    end
    for w = 1, 4 do fs[w]:result() end
    assert.equal(("\1"):rep(4 * rounds), marks:tostring())
  end)

  it("see whole elements, and what was written before them", function()
    local ex, a, flag = h.pool(2), array("u64", 1), array("i32", 2)
    local writer = ex:submit(function()
      for i = 1, rounds do
        a[1] = i % 2 == 0 and 0x1111111111111111 or -1
        flag[1] = i
        flag[2] = i
      end
    end)
    local reader = ex:submit(function()
      repeat
        local v = a[1]
        assert(v == 0 or v == -1 or v == 0x1111111111111111)
        local second = flag[2]
        assert(flag[1] >= second)
      until second == rounds
      return true
    end)
    writer:result()
    assert.is_true(reader:result())
  end)

  it("may call everything at once", function()
    local ex, a, fs = h.pool(4), array("i16", 1000):fill(5), {}
    for w = 1, 4 do
      fs[w] = ex:submit(function()
        for i = 1, rounds // 100 do
          a:fill(w, w, -w)
          a:copy(a:slice(1, 500), 250)
          a[i] = w
          local s = a:slice(w * 10, w * 100)
          for _, v in ipairs(s:totable(1, 20)) do assert(v >= 1 and v <= 5) end
          assert(#s:tostring() == 2 * #s)
          s:copy():add(1, w)
        end
      end)
    end
    for w = 1, 4 do fs[w]:result() end
  end)
end)

describe("The memory of arrays", function()
  after_each(h.finish)

  local MIB = 1024 * 1024

  local function resident()
    local f = assert(io.open "/proc/self/statm")
    local _, pages = f:read("n", "n")
    f:close()
    return pages * 4096
  end

  -- Sanitizers keep back what was freed, so nothing is measured there, and less is made.
  local part = h.sanitized and 20 or 1
  local function assert_bounded(most, before)
    local grown = resident() - before
    assert.is_true(h.sanitized or grown < most, ("grew by %.1f MiB"):format(grown / MIB))
  end

  it("is freed as new ones are made, though Lua does not see it", function()
    local before = resident()
    for _ = 1, 1000 // part do array("u8", MIB) end -- 1 GiB in all
    for _ = 1, 30 // part do array("f64", 4 * MIB) end -- 960 MiB
    for _ = 1, 100000 // part do array("f64", 100) end
    assert_bounded(200 * MIB, before)
  end)

  it("is freed in workers too", function()
    local ex, before = h.pool(1), resident()
    for _ = 1, 500 // part do
      ex:submit(function(a) a[1] = 1 end, array("u8", MIB)):result()
    end
    for _ = 1, 500 // part do
      ex:submit(function() return tidepool.array("u8", MIB) end):result()
    end
    assert_bounded(200 * MIB, before)
  end)

  it("is left alone where the collector is stopped", function()
    collect()
    local collected = false
    setmetatable({}, { __gc = function() collected = true end })
    collectgarbage "stop"
    for _ = 1, 20 do array("u8", MIB) end
    local early = collected
    collectgarbage "restart"
    assert.is_false(early)
    collect()
    assert.is_true(collected)
  end)

  it("is freed in generational mode", function()
    collectgarbage "generational"
    local before = resident()
    for _ = 1, 500 // part do array("u8", MIB) end
    collectgarbage "incremental"
    assert_bounded(200 * MIB, before)
  end)
end)

describe("pairs of an array", function()
  after_each(h.finish)

  it("gives each element once, in order, as ipairs does", function()
    for _, t in ipairs { "u8", "i64", "f64" } do
      local a = tidepool.array(t, { 3, 2, 1 })
      local list = {}
      for i, v in pairs(a) do list[#list + 1] = { i, v } end
      assert.same({ { 1, 3 }, { 2, 2 }, { 3, 1 } }, list)
    end
    for _ in pairs(tidepool.array("u8", 0)) do error "not reached" end
  end)

  it("works on views, in tasks, and when it is broken off", function()
    local a = tidepool.array("i32", { 1, 2, 3, 4 })
    local sum = h.pool(1):submit(function()
      local s = 0
      for i, v in pairs(a:slice(2, 3)) do s = s + 10 * i + v end
      return s
    end):result()
    assert.equal(35, sum)
    local seen = {}
    for i in pairs(a) do
      seen[#seen + 1] = i
      if i == 1 then break end
    end
    assert.same({ 1 }, seen)
  end)

  it("refuses another state and control", function()
    local step, a = pairs(tidepool.array("u8", 2))
    assert.is_nil(step(a, 2))
    assert.is_nil(step(a, -1))
    assert.is_nil(step(a, math.maxinteger))
    assert.is_nil(step({}, 0))
    h.fails("number expected", step, a)
  end)
end)
