-- tidepool.map.item_error: names the item of a map that could not be sent.
--
-- The error of a refused submit names an argument of the task. Scripts know the items of their
-- maps; they do not know the chunks that the items were sent in.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"

local item_error = {}

local BEFORE = 6 -- arguments of tidepool.map.worker.run before its columns

-- Rewords what comes after "item 17": ".x" and "[2]" become ", field x" and ", field [2]".
local function rest_of_path(rest)
  if rest:find("^%.") then return ", field " .. rest:sub(2) end
  if rest:find("^%[") then return ", field " .. rest end
  return rest
end

-- Returns the message with the item in place of the argument, or nil if it is about no item.
local function reword(message, first, direct, width)
  local argument, rest = message:match("^argument (%d+)(.*)$")
  argument = math.tointeger(argument)
  if not argument then return nil end
  local item = first
  if not direct then
    if argument == 1 then return "function" .. rest end
    argument = argument - BEFORE
    local offset, after = rest:match("^, field %[(%d+)%](.*)$")
    if not offset then return nil end
    item = first + math.tointeger(offset) - 1
    rest = rest_of_path(after)
  end
  local which = width > 1 and (", argument %d"):format(argument) or ""
  return ("item %d%s%s"):format(item, which, rest)
end

-- Returns the error of a chunk's submit with the item in place of the argument. Errors that are
-- not of kind transfer, or are about no item, are returned as they are.
-- first: the index of the chunk's first item. direct: whether the chunk is an item sent as a plain
-- task. width: the number of arguments of an item.
function item_error.from_submit(err, first, direct, width)
  if core.error_kind(err) ~= "transfer" then return err end
  local message = reword(core.error_message(err), first, direct, width)
  return message and core.error("transfer", message) or err
end

return item_error
