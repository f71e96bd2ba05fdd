-- text.lua: the size of the library's section .text, its code, in bytes; and that of all that is
-- loaded read-only, as size(1) counts text: constants, unwind tables, names and relocations, too.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"

local core = assert(package.searchpath("tidepool.core", package.cpath))

local function size(options, pattern)
  local pipe = assert(io.popen(("size %s '%s'"):format(options, core)))
  local bytes = pipe:read("a"):match(pattern)
  assert(pipe:close() and bytes, "size failed")
  return tonumber(bytes)
end

measure.emit("text_size", size("-A", "\n%.text%s+(%d+)"))
measure.emit("text_all", size("", "\n%s*(%d+)"))
