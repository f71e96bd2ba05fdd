-- round.lua: the values of one round, as the programs printed them.
-- SPDX-License-Identifier: MIT

local round = {}

local methods = {}
local metatable = { __index = methods, __name = "bench.round" }

--- Returns a round without values. A value is a field, that of a peer under "PEER.NAME". `curves`
--- has lists of {x, y} by name, and `absent` the parts of tidepool that are not there.
function round.new()
  return setmetatable({ curves = {}, absent = {} }, metatable)
end

--- Reads one line of a program's output. Lines of other forms are ignored.
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

--- Returns the ratio of y at x = `to` to y at x = `from`, and the ratio of the two x. The default
--- of `to` is the last point of the curve below ten million.
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
