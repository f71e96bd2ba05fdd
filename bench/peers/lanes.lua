-- lanes.lua: Lanes, lanes that take tasks from a linda and put results into it. Lanes 3.
--
-- A linda does not carry nil, so false stands for it.
-- SPDX-License-Identifier: MIT

local lanes = require("lanes").configure()

local adapter = {
  metrics = {
    "roundtrip", "throughput", "string_1mib", "string_64mib", "integers", "floats", "records",
    "cpu", "sleeps", "startup",
  },
}

local STOP = "stop, please"

local function work(linda, task, stop)
  while true do
    local _, argument = linda:receive("in")
    if argument == stop then return end
    linda:send("out", task(argument) or false)
  end
end

function adapter.open(workers, task)
  local linda = lanes.linda()
  local start, threads = lanes.gen("*", work), {}
  for i = 1, workers do
    threads[i] = start(linda, task, STOP)
  end
  local pool = {}

  function pool.run(n, argument)
    local last
    for _ = 1, n do
      linda:send("in", argument or false)
    end
    for _ = 1, n do
      last = select(2, linda:receive("out"))
    end
    return last
  end

  function pool.close()
    for _ = 1, workers do
      linda:send("in", STOP)
    end
    for _, thread in ipairs(threads) do
      thread:join()
    end
  end

  return pool
end

return adapter
