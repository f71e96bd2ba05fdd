-- shapes.lua: values of many shapes, each of about 100,000 scalars and tables.
--
-- workloads/shapes.lua sends them to a worker and back; limits_shapes.c reads and builds them
-- through Lua's C API. Nothing here is random, and nothing needs a library.
-- SPDX-License-Identifier: MIT

local shapes = {}

-- Returns the list of fn(1), …, fn(n).
local function list(n, fn)
  local t = {}
  for i = 1, n do
    t[i] = fn(i)
  end
  return t
end

local function nested(width, depth)
  if depth == 0 then return list(width, function(i) return i end) end
  return list(width, function() return nested(width, depth - 1) end)
end

local function mixed(i)
  local kind = i % 5
  if kind == 0 then return i end
  if kind == 1 then return i + 0.5 end
  if kind == 2 then return "text" .. i end
  if kind == 3 then return i % 2 == 1 end
  return { i, x = i }
end

-- A list of 1,000 chains, each of 50 tables one inside the other.
local function deep()
  local t = { 1 }
  for _ = 2, 50 do
    t = { t, 1 }
  end
  return t
end

--- The shapes: name, title, make() -> the value.
shapes.list = {
  { name = "integers", title = "integers in one array",
    make = function() return list(100000, function(i) return i end) end },
  { name = "floats", title = "floats in one array",
    make = function() return list(100000, function(i) return i + 0.5 end) end },
  { name = "booleans", title = "booleans in one array",
    make = function() return list(100000, function(i) return i % 3 == 0 end) end },
  { name = "same_strings", title = "one short string, again and again",
    make = function() return list(100000, function() return "the same" end) end },
  { name = "short_strings", title = "short strings, all distinct",
    make = function() return list(100000, function(i) return "text" .. i end) end },
  { name = "long_strings", title = "strings of 200 bytes, all distinct",
    make = function() return list(20000, function(i) return ("%08d"):format(i):rep(25) end) end },
  { name = "nested", title = "arrays of 10 in arrays of 10, five levels",
    make = function() return nested(10, 4) end },
  { name = "mixed", title = "integers, floats, strings, booleans, tables in turn",
    make = function() return list(60000, mixed) end },
  { name = "sparse", title = "integer keys with gaps",
    make = function()
      local t = {}
      for i = 1, 50000 do
        t[i * 7] = i
      end
      return t
    end },
  { name = "same_keys", title = "small tables {x=, y=, z=}",
    make = function()
      return list(15000, function(i) return { x = i, y = i + 0.5, z = true } end)
    end },
  { name = "distinct_keys", title = "one table, 50,000 string keys",
    make = function()
      local t = {}
      for i = 1, 50000 do
        t["key" .. i] = i
      end
      return t
    end },
  { name = "own_keys", title = "small tables, each with keys of its own",
    make = function()
      return list(10000, function(i) return { ["a" .. i] = i, ["b" .. i] = i } end)
    end },
  { name = "deep", title = "tables 50 deep",
    make = function() return list(1000, deep) end },
  { name = "empty", title = "empty tables",
    make = function() return list(50000, function() return {} end) end },
}

--- Returns the number of scalars and tables in a value. Keys count, except those of an array.
function shapes.count(value)
  if type(value) ~= "table" then return 1 end
  local n, length = 1, #value
  for key, inner in pairs(value) do
    local in_array = math.type(key) == "integer" and key >= 1 and key <= length
    n = n + (in_array and 0 or 1) + shapes.count(inner)
  end
  return n
end

--- Returns whether two values are equal in all that they contain.
function shapes.same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  end
  for key, inner in pairs(a) do
    if not shapes.same(inner, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

return shapes
