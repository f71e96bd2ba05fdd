-- ltask.lua: ltask, services that serve requests. Its lualib/ and service/ must be on the path.
--
-- All code runs in services there. `enter` starts drive.lua once more as a service, which knows by
-- its global `arg` that it is one. Throughput is left out: see README.md.
-- SPDX-License-Identifier: MIT

local adapter = {
  metrics = {
    "roundtrip", "string_1mib", "string_64mib", "integers", "floats", "records", "cpu", "startup",
  },
}

-- The code by which a service finds its script, by the service's name.
local LOADER = [[
  local name = ...
  package.path, package.cpath = %q, %q
  if name == "bench_drive" then
    return function(...)
      _G.arg = { [0] = %q, inside = true, ... }
      assert(loadfile(arg[0]))()
    end
  end
  if name == "bench_worker" then
    return function(code)
      local task = load(code)
      return { run = function(argument) return task(argument) end }
    end
  end
  return loadfile(assert(package.searchpath(name, package.path)))
]]

local function read_all(path)
  local f <close> = assert(io.open(path))
  return f:read("a")
end

local function find(name)
  return assert(package.searchpath(name, package.path))
end

--- Runs drive.lua with these arguments inside of ltask. Returns nil if called there.
function adapter.enter(arguments)
  if arguments.inside then return nil end
  local service = find "service"
  local bootstrap = dofile(find "bootstrap")
  local loader = LOADER:format(package.path, package.cpath, arguments[0])
  local context = bootstrap.start {
    -- One thread runs the service of drive.lua, the others run the pool's.
    core = { worker = 1 + (arguments[3] == "startup" and 8 or 2) },
    root = {
      bootstrap = {
        { name = "timer", unique = true },
        { name = "logger", unique = true },
        { name = "bench_drive", args = { table.unpack(arguments) } },
      },
      service_source = read_all(service), service_chunkname = "@" .. service, initfunc = loader,
    },
    root_initfunc = loader,
  }
  bootstrap.wait(context)
  return true
end

function adapter.open(workers, task)
  local ltask = require "ltask"
  local addresses, code = {}, string.dump(task)
  for i = 1, workers do
    addresses[i] = ltask.spawn("bench_worker", code)
  end
  local pool = {}

  function pool.run(n, argument)
    if n == 1 then return ltask.call(addresses[1], "run", argument) end
    local requests, last, number = {}, nil, 0
    for i = 1, n do
      requests[i] = { ltask.call, addresses[1 + i % workers], "run", argument }
    end
    for _, answer in ltask.parallel(requests) do
      assert(not answer.error, answer.error)
      last, number = answer[1], number + 1
    end
    assert(number == n, "a result was lost")
    return last
  end

  function pool.close()
    for _, address in ipairs(addresses) do
      ltask.syscall(address, "quit")
    end
  end

  return pool
end

return adapter
