-- support.lua: what the examples share besides tidepool: a clock, quoting, a folder for output.
-- SPDX-License-Identifier: MIT

local support = {}

local has_socket, socket = pcall(require, "socket")

--- Seconds of wall-clock time. os.clock will not do: it adds up the CPU time of all threads.
function support.now()
  if has_socket then return socket.gettime() end
  local f = io.open("/proc/uptime")
  if not f then return os.time() end
  local seconds = f:read("n")
  f:close()
  return seconds
end

--- Runs fn and returns the seconds it took, then its results.
function support.timed(fn, ...)
  local start = support.now()
  local results = table.pack(fn(...))
  return support.now() - start, table.unpack(results, 1, results.n)
end

--- A string as one word of a shell command.
function support.quote(s)
  return "'" .. s:gsub("'", [['\'']]) .. "'"
end

--- The folder a script lies in, with its slash.
function support.here()
  return arg[0]:match("^(.*/)") or "./"
end

--- Makes and returns the folder out/NAME beside the script, or one under the system's temporary
--- folder if the first cannot be written to.
function support.out_dir(name)
  local dir = support.here() .. "out/" .. name
  local command = "mkdir -p %s 2>/dev/null && test -w %s"
  if os.execute(command:format(support.quote(dir), support.quote(dir))) then return dir end
  local pipe = assert(io.popen("mktemp -d"))
  dir = pipe:read("l")
  pipe:close()
  return assert(dir, "no folder to write to")
end

function support.write_file(path, bytes)
  local f = assert(io.open(path, "wb"))
  assert(f:write(bytes))
  assert(f:close())
end

function support.read_file(path)
  local f, err = io.open(path, "rb")
  if not f then return nil, err end
  local bytes
  bytes, err = f:read("a")
  f:close()
  return bytes, err
end

return support
