-- values.lua: the payloads that tidepool and its peers send to a worker and back.
--
-- peers/pools.py and peers/piscina/pool.js make the same ones.
-- SPDX-License-Identifier: MIT

local values = {}

local function integers()
  local list = {}
  for i = 1, 100000 do
    list[i] = i
  end
  return list
end

local function floats()
  local list = {}
  for i = 1, 100000 do
    list[i] = i + 0.5
  end
  return list
end

local function records()
  local list = {}
  for i = 1, 10000 do
    list[i] = { id = i, name = "name" .. i, tags = { "a", "b" } }
  end
  return list
end

--- The number of uncounted round trips before the others: they fill the block cache.
values.warm_up = 3

--- The payloads: name, make() -> the value, and the number of round trips in full mode.
values.list = {
  { name = "string_1mib", make = function() return ("x"):rep(1 << 20) end, repeats = 100 },
  { name = "integers", make = integers, repeats = 20 },
  { name = "floats", make = floats, repeats = 20 },
  { name = "records", make = records, repeats = 20 },
  -- last: Lua's generational collector, with which lua5.4 runs, waits for long after such garbage
  { name = "string_64mib", make = function() return ("x"):rep(64 << 20) end, repeats = 3 },
}

--- Raises an error unless the value that came back equals the one sent.
function values.check(payload, sent, back)
  local ok = #sent == #back
  if payload.name == "records" then
    local a, b = sent[#sent], back[#sent]
    ok = ok and a.id == b.id and a.name == b.name and b.tags[2] == "b"
  elseif type(sent) == "table" then
    ok = ok and sent[1] == back[1] and sent[#sent] == back[#sent]
  else
    ok = ok and sent == back
  end
  assert(ok, payload.name .. ": not what was sent")
end

return values
