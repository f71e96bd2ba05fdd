-- luv.lua: luv's queue of work. It takes scalars only, so tables are not among its metrics.
--
-- libuv has one pool in a process, and reads its size from the environment when it is first used.
-- SPDX-License-Identifier: MIT

local uv = require "luv"

local luv = {
  metrics = { "roundtrip", "throughput", "string_1mib", "string_64mib", "cpu", "sleeps", "startup" },
}

function luv.open(workers, task)
  uv.os_setenv("UV_THREADPOOL_SIZE", tostring(workers))
  local last, number
  local work = uv.new_work(task, function(result)
    last, number = result, number + 1
  end)
  local pool = {}

  function pool.run(n, argument)
    number = 0
    for _ = 1, n do
      work:queue(argument)
    end
    uv.run()
    assert(number == n, "a result was lost")
    return last
  end

  return pool
end

return luv
