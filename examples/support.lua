-- support.lua: functions that several examples use: a clock, quoting, a folder for output.
-- SPDX-License-Identifier: MIT

local support = {}

local has_socket, socket = pcall(require, "socket")

--- Returns the wall-clock time in seconds. os.clock returns the CPU time of all threads instead.
function support.now()
  if has_socket then return socket.gettime() end
  local f = io.open("/proc/uptime")
  if not f then return os.time() end
  local seconds = f:read("n")
  f:close()
  return seconds
end

--- Calls fn(...). Returns the seconds that it took, then its results.
function support.timed(fn, ...)
  local start = support.now()
  local results = table.pack(fn(...))
  return support.now() - start, table.unpack(results, 1, results.n)
end

--- Returns a string as one word of a shell command.
function support.quote(s)
  return "'" .. s:gsub("'", [['\'']]) .. "'"
end

--- Returns the folder of the script, with a slash at its end.
function support.here()
  return arg[0]:match("^(.*/)") or "./"
end

--- Makes the folder out/NAME beside the script, or a temporary folder if that cannot be written to.
--- Returns its path.
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
