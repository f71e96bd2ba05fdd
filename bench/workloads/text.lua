-- text.lua: bytes of text in the library, as size(1) counts them: code and constants.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"

local core = assert(package.searchpath("tidepool.core", package.cpath))
local pipe = assert(io.popen("size '" .. core .. "'"))
local text = pipe:read("a"):match("\n%s*(%d+)")
assert(pipe:close() and text, "size failed")
measure.emit("text_size", tonumber(text))
