-- mtmsg.lua: mtmsg, threads (those of llthreads2) that take tasks from one message buffer and put
-- results into another. Messages hold scalars only.
-- SPDX-License-Identifier: MIT

local mtmsg = require "mtmsg"
local llthreads = require "llthreads2"

local adapter = {
  metrics = {
    "roundtrip", "throughput", "string_1mib", "string_64mib", "cpu", "sleeps", "startup",
  },
}

local STOP = "stop, please"

local function work(code, todo_id, done_id, stop)
  local buffers = require "mtmsg"
  local todo, done = buffers.buffer(todo_id), buffers.buffer(done_id)
  local task = load(code)
  while true do
    local argument = todo:nextmsg()
    if argument == stop then return end
    done:addmsg((task(argument)))
  end
end

function adapter.open(workers, task)
  local todo, done, threads = mtmsg.newbuffer(), mtmsg.newbuffer(), {}
  local code = string.dump(work)
  for i = 1, workers do
    threads[i] = llthreads.new(code, string.dump(task), todo:id(), done:id(), STOP)
    threads[i]:start()
  end
  local pool = {}

  function pool.run(n, argument)
    local last
    for _ = 1, n do
      todo:addmsg(argument)
    end
    for _ = 1, n do
      last = done:nextmsg()
    end
    return last
  end

  function pool.close()
    for _ = 1, workers do
      todo:addmsg(STOP)
    end
    for _, thread in ipairs(threads) do
      thread:join()
    end
  end

  return pool
end

return adapter
