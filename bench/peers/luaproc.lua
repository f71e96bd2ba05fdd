-- luaproc.lua: luaproc, processes that take tasks from one channel and put results into another.
--
-- A send waits until the message is received, so one more process collects. Messages hold scalars
-- only. The scheduler's threads live as long as the program. Figures with many tasks at a time are
-- left out: see README.md.
-- SPDX-License-Identifier: MIT

local luaproc = require "luaproc"

local adapter = {
  metrics = { "roundtrip", "string_1mib", "string_64mib", "startup" },
}

local WORKER = [[
  local task = load(%q)
  while true do
    luaproc.send("out", task((luaproc.receive("in"))) or false)
  end
]]

local COLLECTOR = [[
  while true do
    local n, last = luaproc.receive("how many"), nil
    for _ = 1, n do
      last = luaproc.receive("out")
    end
    luaproc.send("done", last)
  end
]]

function adapter.open(workers, task)
  luaproc.setnumworkers(workers)
  for _, channel in ipairs { "in", "out", "how many", "done" } do
    assert(luaproc.newchannel(channel))
  end
  local worker = WORKER:format(string.dump(task))
  for _ = 1, workers do
    assert(luaproc.newproc(worker))
  end
  assert(luaproc.newproc(COLLECTOR))
  local pool = {}

  function pool.run(n, argument)
    luaproc.send("how many", n)
    for _ = 1, n do
      luaproc.send("in", argument or false)
    end
    return (luaproc.receive("done"))
  end

  return pool
end

return adapter
