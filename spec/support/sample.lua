-- sample: a module for the specs of what is sent by name.
--
-- SPDX-License-Identifier: MIT
local gate = require "gate"

local sample = {}

sample.shape = { sides = 4 }

function sample.double(x) return 2 * x end

function sample.fail(message) error(message, 0) end

--- Point: objects whose metatable is a field of this module.
sample.Point = {}
sample.Point.__index = sample.Point

function sample.Point.__eq(a, b) return a.x == b.x and a.y == b.y end

function sample.Point:length() return math.sqrt(self.x * self.x + self.y * self.y) end

function sample.point(x, y) return setmetatable({ x = x, y = y }, sample.Point) end

--- Returns how often it was called in this state, as text.
local calls = 0
function sample.count()
  calls = calls + 1
  return "call " .. calls
end

--- Rebuilds what a __transfer returned.
function sample.rebuild(...) return { rebuilt = table.pack(...) } end

--- Rebuilds what was sent, and counts how often it did.
function sample.counted(counter, ...)
  require "gate".add(counter)
  return ...
end

--- Rebuilds nothing the first time.
function sample.fail_once(counter, ...)
  if require "gate".add(counter) == 1 then error("not yet", 0) end
  return ...
end

--- Calls the global `within` and returns its results.
function sample.within() return _G.within() end

--- Rebuilds what a future holds.
function sample.wait_for(future) return future:result() end

function sample.refuse(message) error(message) end

--- Objects that are sent by id; of those rebuilt after a gate.add "fragile", the first fails.
local Fragile = {}
function Fragile.__transfer(object) return "spec.support.sample.fragile", object.id end

function sample.fragile(id)
  if gate.get "fragile" > 0 then
    gate.add("fragile", -1)
    error("too fragile", 0)
  end
  return setmetatable({ id = id }, Fragile)
end


--- A finalizer of workers.
function sample.final() gate.add "sample" end

return sample
