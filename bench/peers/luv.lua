-- luv.lua: luv's queue of work. It takes scalars only, so tables are not among its metrics.
--
-- libuv has one pool in a process, whose size is in the environment. luv 1.44 reads the size when
-- it is loaded, and writes past the end of a list if the pool is larger later. So it is set before.
-- SPDX-License-Identifier: MIT

local uv = require "luv"

local luv = {
  metrics = {
    "roundtrip", "throughput", "string_1mib", "string_64mib", "cpu", "sleeps", "startup",
  },
}

local workers_of = { throughput = 2, cpu = 2, sleeps = 50, startup = 8 }

--- Returns what the environment must have for a metric.
function luv.environment(metric)
  return ("UV_THREADPOOL_SIZE=%d"):format(workers_of[metric] or 1)
end

function luv.open(workers, task)
  assert(tonumber(uv.os_getenv("UV_THREADPOOL_SIZE")) == workers, "set UV_THREADPOOL_SIZE first")
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
