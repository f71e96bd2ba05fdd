-- code.lua: round trips of a no-op, and of closures with three upvalues, in turn; one worker.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local function noop() end

local function make(a, b, c)
  return function() return a, b, c end
end

local SOURCE = "local a, b, c = ... return function() return a, b, c end"

local ex <close> = tidepool.executor(1)
local one = make(1, 2.5, "three")

-- Times ex:submit(get()):result(), the call of get included.
local ways = {
  code_noop = function() return noop end,
  code_closure = function() return one end, -- the same one each time
  code_anew = function() return make(1, 2.5, "three") end, -- a new closure of known code
}
local samples = { code_noop = {}, code_closure = {}, code_anew = {}, code_redefined = {} }

-- The function is compiled anew each time, from the same text. Compiling is not timed.
local function redefined()
  local fn = assert(load(SOURCE, "=redefined"))(1, 2.5, "three")
  ways.code_redefined = function() return fn end
end

local order = { "code_noop", "code_closure", "code_anew", "code_redefined" }
for i = 1, measure.pick(2000, 10000) + 500 do
  redefined()
  for _, name in ipairs(order) do
    local get, start = ways[name], measure.now()
    local x, y, z = ex:submit(get()):result()
    local took = measure.now() - start
    if name ~= "code_noop" then assert(x == 1 and y == 2.5 and z == "three", "lost") end
    if i > 500 then table.insert(samples[name], took) end
  end
end
for _, name in ipairs(order) do
  measure.emit(name, measure.median(samples[name]))
end
