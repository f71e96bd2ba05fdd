-- round.lua: the values of one round, as the programs printed them.
-- SPDX-License-Identifier: MIT

local round = {}

local methods = {}
local metatable = { __index = methods, __name = "bench.round" }

--- A value is a field of it, those of a peer under "PEER.NAME". It also has
--- `curves`: lists of {x, y} by name; `absent`: parts of tidepool that are not there.
function round.new()
  return setmetatable({ curves = {}, absent = {} }, metatable)
end

--- Takes in one line of a program's output; lines of other forms are left alone.
function methods:read(line, peer)
  local name, x, y = line:match("^curve\t(%S+)\t(%S+)\t(%S+)$")
  if name then
    local curve = self.curves[name] or {}
    self.curves[name] = curve
    curve[#curve + 1] = { tonumber(x), tonumber(y) }
    return
  end
  local part = line:match("^absent\t(%S+)$")
  if part then
    self.absent[part] = true
    return
  end
  local key, value = line:match("^(%S+)\t(%S+)$")
  if key then self[peer and peer .. "." .. key or key] = tonumber(value) end
end

--- How often y at x = `to` (default: the last of the curve below ten million) is that at `from`;
--- and how often the one x is the other.
function methods:growth(name, from, to)
  local first, last
  for _, point in ipairs(self.curves[name]) do
    local x = point[1]
    if x == from then first = point end
    if x == to or not to and x < 1e7 then last = point end
  end
  return last[2] / first[2], last[1] / first[1]
end

return round
