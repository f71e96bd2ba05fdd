-- tidepool.iter: makes one value of an iterator function and its state.
--
-- A generic for takes four values: an iterator function, a state, an initial value and a closing
-- value. pairs(t), io.lines(name) and others return them. tidepool.iter keeps them in an object,
-- which is called without arguments for the next values. It is closed once: when it ends, or by its
-- reader if that stops earlier.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local check = require "tidepool.check"

local Iter = { __name = "tidepool.iter" }

-- Ends the iteration and closes the closing value. `err` is the error that ended it, or nil.
local function finish(self, err)
  local closing = self.closing
  self.step, self.state, self.control, self.closing = nil, nil, nil, nil
  if not closing then return end
  if err == nil then
    local _ <close> = closing
  else
    -- raised within a block that ends, so that __close gets it
    local ok, raised = pcall(function()
      local _ <close> = closing
      error(err, 0)
    end)
    if not ok and not rawequal(raised, err) then error(raised, 0) end
  end
end

-- Returns the values of a call. The first is the control value of the next call.
local function keep(self, control, ...)
  if control == nil then
    finish(self)
    return nil
  end
  self.control = control
  return control, ...
end

function Iter.__call(self)
  local iterator = self.step
  if not iterator then return nil end
  return keep(self, iterator(self.state, self.control))
end

Iter.__close = finish

local iter = {}

-- tidepool.iter, see types.lua.
function iter.new(step, state, control, closing)
  if not core.callable(step) then
    local hint = ""
    if type(step) == "table" then hint = "; of a table's pairs: tidepool.iter(pairs(t))" end
    check.bad(1, "iter", ("iterator function expected, got %s%s"):format(
      check.typename(step), hint))
  end
  if not core.closable(closing) then
    check.bad(4, "iter", ("value with __close expected, got %s"):format(check.typename(closing)))
  end
  return setmetatable({ step = step, state = state, control = control, closing = closing }, Iter)
end

-- Closes `value` if it is an object of this module.
function iter.close(value, err)
  if getmetatable(value) == Iter then finish(value, err) end
end

-- Returns whether `value` is an object of this module.
function iter.is(value)
  return getmetatable(value) == Iter
end

-- Returns whether an iterator raised `text` because it was called without its state.
local function lacks_state(iterator, text)
  if not core.callable(iterator) or iter.is(iterator) then return false end
  if text:find("^bad argument #%d+ to ") or text:find("^calling '.-' on bad self") then
    return true
  end
  if type(iterator) ~= "function" or debug.getinfo(iterator, "u").nparams == 0 then return false end
  return text:find("nil value", 1, true) ~= nil or text:find("got n[oi]") ~= nil
end

-- Returns the error to be raised after an iterator raised `err`. Lua's own functions put the line
-- of their caller before a message, here one of the library. That is replaced by the script's line.
-- `here` is the library's file and a colon. `iterator`, argument n of `fname`, is given if this was
-- its first call.
function iter.explain(err, here, iterator, n, fname)
  if type(err) ~= "string" then return err end
  local text = err
  if err:sub(1, #here) == here then
    text = err:sub(#here + 1):gsub("^%d+: ", "")
    err = core.where() .. text
  end
  if not iterator or not lacks_state(iterator, text) then return err end
  return ("%sbad argument #%d to '%s' (%s: %s; %s)"):format(core.where(), n, fname,
    "the iterator function, called without arguments, raised", text,
    ("one that comes with a state goes through tidepool.iter: %stidepool.iter(pairs(t)))"):format(
      fname == "map" and "map(fn, " or fname .. "("))
end

return iter
