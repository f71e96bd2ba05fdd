-- effil.lua: effil, threads that take tasks from one channel and put results into another.
--
-- effil turns tables into shared ones, which are userdata on the other side. 10,000 records take
-- many seconds, and are left out.
-- SPDX-License-Identifier: MIT

local effil = require "effil"

local adapter = {
  metrics = {
    "roundtrip", "throughput", "string_1mib", "string_64mib", "integers", "floats", "cpu", "sleeps",
    "startup",
  },
}

local STOP = "stop, please"

local function work(task, todo, done, stop)
  while true do
    local argument = todo:pop()
    if argument == stop then return end
    done:push(task(argument) or false)
  end
end

function adapter.open(workers, task)
  local todo, done = effil.channel(), effil.channel()
  local start, threads = effil.thread(work), {}
  start.step = 0 -- no count hook: it would slow the task down
  for i = 1, workers do
    threads[i] = start(task, todo, done, STOP)
  end
  local pool = {}

  function pool.run(n, argument)
    local last
    for _ = 1, n do
      todo:push(argument or false)
    end
    for _ = 1, n do
      last = done:pop()
    end
    return last
  end

  function pool.close()
    for _ = 1, workers do
      todo:push(STOP)
    end
    for _, thread in ipairs(threads) do
      thread:wait()
    end
  end

  return pool
end

return adapter
