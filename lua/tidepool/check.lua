-- tidepool.check: checks arguments and options. Errors read like those of Lua's own libraries.
--
-- A checker is a function of a value. It returns the value to use, or nil and what it expected.
-- Error messages begin with the position of the script's line that called the library.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"

local check = {}

-- Returns the type of a value in words, as in Lua's own messages.
local function typename(value)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and type(value) ~= "string" and rawget(meta, "__name")
  return type(name) == "string" and name or type(value)
end
check.typename = typename

-- Returns the words for a value after "expected ..., got".
local function got(value)
  if type(value) == "number" then return tostring(value) end
  if type(value) == "string" then return ("'%s'"):format(value) end
  return typename(value)
end

-- Raises a message after the position of the script's line.
function check.fail(message)
  error(core.where() .. message, 0)
end

function check.bad(n, fname, extra)
  check.fail(("bad argument #%d to '%s' (%s)"):format(n, fname, extra))
end

-- Raises an error for a method that was called on a wrong value, as in ex.map(…) for ex:map(…).
function check.bad_self(fname, expected, value)
  check.fail(("calling '%s' on bad self (%s expected, got %s)"):format(
    fname, expected, typename(value)))
end

-- Returns a checker of integers within bounds.
function check.integer(least, most)
  most = most or math.maxinteger
  local expected = most == math.maxinteger and ("integer >= %d"):format(least)
    or ("integer from %d to %d"):format(least, most)
  return function(value)
    local i = type(value) == "number" and math.tointeger(value)
    if i and i >= least and i <= most then return i end
    return nil, expected
  end
end

-- Checks an integer of any size.
function check.whole(value)
  local i = type(value) == "number" and math.tointeger(value)
  if i then return i end
  return nil, "integer"
end

function check.string(value)
  if type(value) == "string" then return value end
  return nil, "string"
end

function check.table(value)
  if type(value) == "table" then return value end
  return nil, "table"
end

-- Checks a timeout. Negative ones become 0; math.huge is forever.
function check.seconds(value)
  if type(value) == "number" and value == value then return math.max(value, 0) end
  return nil, "number of seconds"
end

-- Checks a duration. It is not negative; math.huge is forever.
function check.duration(value)
  if type(value) == "number" and value >= 0 then return value end
  return nil, "number of seconds >= 0"
end

-- Checks a limit in seconds. It is greater than 0; math.huge is no limit.
function check.limit(value)
  if type(value) == "number" and value > 0 then return value end
  return nil, "number of seconds > 0"
end

function check.boolean(value)
  if type(value) == "boolean" then return value end
  return nil, "boolean"
end

-- Returns a checker of the given strings.
function check.oneof(...)
  local words = { ... }
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = ("'%s'"):format(word) end
  local expected = "one of " .. table.concat(quoted, ", ")
  return function(value)
    for _, word in ipairs(words) do
      if value == word then return value end
    end
    return nil, expected
  end
end

-- Checks a task that a worker can run: a function, a value with `__call`, or "module.function".
function check.task(value)
  if core.callable(value) then return value end
  if type(value) == "string" and value:find("^.+%.[^.]+$") then return value end
  return nil, type(value) == "string" and "function or 'module.function'" or "function"
end

-- Checks the same as an option. Its error always mentions that a name is possible.
function check.callee(value)
  local use = check.task(value)
  if use then return use end
  return nil, "function or 'module.function'"
end

-- Returns the checked options of a table. `known` maps names to checkers; other names are refused.
function check.options(n, fname, given, known)
  if type(given) ~= "table" then
    check.bad(n, fname, ("table expected, got %s"):format(
      given == nil and "nil" or typename(given)))
  end
  local checked = {}
  for name, value in pairs(given) do
    local checker = known[name]
    if not checker then
      local names = {}
      for k in pairs(known) do names[#names + 1] = k end
      table.sort(names)
      check.bad(n, fname, ("unknown option '%s'; known options: %s"):format(
        tostring(name), table.concat(names, ", ")))
    end
    local use, expected = checker(value)
    if use == nil then
      check.bad(n, fname, ("option '%s': %s expected, got %s"):format(
        name, expected, got(value)))
    end
    checked[name] = use
  end
  return checked
end

-- Returns the value that a checker returns for an argument, or raises an error with its words.
function check.argument(n, fname, value, checker)
  local use, expected = checker(value)
  if use == nil then
    check.bad(n, fname, ("%s expected, got %s"):format(
      expected, type(value) == "number" and tostring(value) or typename(value)))
  end
  return use
end

return check
