-- tidepool.complaint: says which item of a map could not be sent.
--
-- A refused submit names the argument of the task it was for; scripts know items, not chunks.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"

local complaint = {}

local BEFORE = 6 -- arguments of tidepool.chunk.run before its columns

-- Words after "item 17": ".x" and "[2]" become ", field x" and ", field [2]".
local function rest_of_path(rest)
  if rest:find("^%.") then return ", field " .. rest:sub(2) end
  if rest:find("^%[") then return ", field " .. rest end
  return rest
end

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

-- The error of the submit of a chunk: reworded if it is of kind transfer and about an item, else
-- unchanged. `first` is the index of the chunk's first item, `width` its arguments per item,
-- `direct` whether it went as a plain task.
function complaint.about(err, first, direct, width)
  if core.error_kind(err) ~= "transfer" then return err end
  local message = reword(core.error_message(err), first, direct, width)
  return message and core.error("transfer", message) or err
end

return complaint
