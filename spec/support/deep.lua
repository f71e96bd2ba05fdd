-- deep: whether two values are the same all the way down, and random values to try it on.
--
-- Same means: same type and subtype (1 is not 1.0), NaN is NaN, -0.0 is not 0.0, equal
-- strings; tables with the same pairs and metatables, Lua functions with the same code and
-- upvalues; and the same shape: what is one object on one side is one object on the other.
-- Plain Lua, independent of the library.
--
-- SPDX-License-Identifier: MIT
local deep = {}

local same -- below

local function same_number(a, b)
  if math.type(a) ~= math.type(b) then return false end
  if a ~= a then return b ~= b end
  return a == b and 1 / a == 1 / b
end

-- Notes that a corresponds to b. Returns false if either corresponds to something else already. The
-- second result tells whether the pair is known, so that its content need not be compared again.
local function pair_up(seen, a, b)
  if seen.to[a] ~= nil or seen.from[b] ~= nil then
    local known = seen.to[a] == b and seen.from[b] == a
    return known, known
  end
  seen.to[a], seen.from[b] = b, a
  return true, false
end

local function copy(t)
  local c = {}
  for k, v in next, t do c[k] = v end
  return c
end

local function by_value(k)
  local t = type(k)
  return t ~= "table" and t ~= "function" and t ~= "userdata"
end

local function object_keys(t)
  local keys = {}
  for k in next, t do
    if not by_value(k) then keys[#keys + 1] = k end
  end
  return keys
end

-- Compares keys that are objects: tries every unused partner, and undoes what a failed try noted.
local function same_object_keys(a, b, seen, path)
  local mine, theirs = object_keys(a), object_keys(b)
  if #mine ~= #theirs then return false, path .. ": number of keys that are objects" end
  for _, k in ipairs(mine) do
    local found
    for i, other in ipairs(theirs) do
      local to, from = copy(seen.to), copy(seen.from)
      if same(k, other, seen, path) and same(rawget(a, k), rawget(b, other), seen, path) then
        found = i
        break
      end
      seen.to, seen.from = to, from
    end
    if not found then return false, path .. ": a key that is an object" end
    table.remove(theirs, found)
  end
  return true
end

local function same_tables(a, b, seen, path)
  for k, v in next, a do
    if by_value(k) then
      local step = ("%s[%s]"):format(path, type(k) == "string" and ("%q"):format(k) or tostring(k))
      local ok, where = same(v, rawget(b, k), seen, step)
      if not ok then return false, where end
    end
  end
  for k in next, b do
    if by_value(k) and rawget(a, k) == nil then
      return false, ("%s: extra key %s"):format(path, tostring(k))
    end
  end
  local ok, where = same_object_keys(a, b, seen, path)
  if not ok then return false, where end
  return same(debug.getmetatable(a), debug.getmetatable(b), seen, path .. " metatable")
end

-- Compares where the functions were written. The sender may change how a function finds its
-- upvalues, so the bytes of string.dump may differ.
local function same_code(a, b)
  local x, y = debug.getinfo(a, "Su"), debug.getinfo(b, "Su")
  for _, what in ipairs { "source", "linedefined", "lastlinedefined", "nups", "nparams" } do
    if x[what] ~= y[what] then return false end
  end
  return true
end

local function same_functions(a, b, seen, path)
  local isc = debug.getinfo(a, "S").what == "C"
  if isc or debug.getinfo(b, "S").what == "C" then return a == b, path .. ": C functions" end
  if not same_code(a, b) then return false, path .. ": code" end
  for i = 1, 255 do
    local name, value = debug.getupvalue(a, i)
    if name == nil then return true end
    local ok, known = pair_up(seen, debug.upvalueid(a, i), debug.upvalueid(b, i))
    if not ok then return false, ("%s: upvalue %d is shared otherwise"):format(path, i) end
    if not known then
      local _, other = debug.getupvalue(b, i)
      local equal, where = same(value, other, seen, ("%s upvalue %d"):format(path, i))
      if not equal then return false, where end
    end
  end
end

function same(a, b, seen, path)
  local t = type(a)
  if t ~= type(b) then return false, ("%s: %s and %s"):format(path, t, type(b)) end
  if t == "number" then return same_number(a, b), ("%s: %s and %s"):format(path, a, b) end
  if t ~= "table" and t ~= "function" then return rawequal(a, b), path .. ": differs" end
  if rawequal(a, b) then
    return pair_up(seen, a, b), path .. ": one object here, two there"
  end
  local ok, known = pair_up(seen, a, b)
  if not ok then return false, path .. ": one object here, two there" end
  if known then return true end
  return (t == "table" and same_tables or same_functions)(a, b, seen, path)
end

--- Returns true, or false and where they differ first.
function deep.same(a, b)
  local ok, where = same(a, b, { to = {}, from = {} }, "value")
  if ok then return true end
  return false, where
end

-- ------------------------------------------------------------------ random --

local integers = {
  0, 1, -1, 127, 128, -128, 255, 256, 65535, 2 ^ 31 | 0, -(2 ^ 31) | 0, 2 ^ 53 | 0,
  math.maxinteger, math.mininteger, math.maxinteger - 1, math.mininteger + 1,
}
local floats = {
  0.0, -0.0, 1.0, -1.5, 0.1, 2.0 ^ 53, 2.0 ^ 63, -(2.0 ^ 63), 5e-324, 1.7976931348623157e308,
  math.huge, -math.huge, 0 / 0,
}
local named = { string.rep, math.floor, print, io.stdout, string, table, _G, next, io.write }

local function random_integer()
  if math.random() < 0.3 then return integers[math.random(#integers)] end
  return math.random(0) >> math.random(0, 63)
end

local function random_float()
  if math.random() < 0.3 then return floats[math.random(#floats)] end
  return (math.random() - 0.5) * 10.0 ^ math.random(-20, 20)
end

local function random_string()
  local bytes = {}
  local n = math.random() < 0.1 and math.random(0, 3000) or math.random(0, 12)
  for i = 1, n do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

local function random_scalar()
  local r = math.random()
  if r < 0.1 then return math.random() < 0.5 end
  if r < 0.4 then return random_integer() end
  if r < 0.6 then return random_float() end
  return random_string()
end

-- Keys that are objects have content of their own, so that each has one partner at most.
local function random_key(made)
  if math.random() < 0.06 then
    local key = { id = #made + 1, random_scalar() }
    made[#made + 1] = key
    return key
  end
  local k
  repeat k = random_scalar() until k == k
  return k
end

local function random_table(made, depth)
  local t = {}
  made[#made + 1] = t
  for _ = 1, math.random(0, 6) do t[#t + 1] = deep.random(depth - 1, made) end
  if math.random() < 0.2 then
    for i = 1, math.random(1, 40) do t[i] = math.random() < 0.9 and i * 7 or random_integer() end
  end
  for _ = 1, math.random(0, 5) do
    t[random_key(made)] = deep.random(depth - 1, made)
  end
  if math.random() < 0.15 then
    setmetatable(t, made[math.random(#made)])
  end
  return t
end

local function random_function(made, depth)
  local a, b = deep.random(depth - 1, made), deep.random(depth - 1, made)
  local function one() return a, b end
  local function two(x)
    a = x
    return one
  end
  if math.random() < 0.3 then b = two end
  made[#made + 1] = { one, two }
  return math.random() < 0.5 and one or two
end

--- Returns a random value that can be sent, never nil. `made` collects tables to refer to again.
function deep.random(depth, made)
  made = made or {}
  local r = math.random()
  if depth <= 0 or r < 0.45 then return random_scalar() end
  if r < 0.55 and #made > 0 then return made[math.random(#made)] end
  if r < 0.6 then return named[math.random(#named)] end
  if r < 0.68 then return random_function(made, depth) end
  return random_table(made, depth)
end

return deep
