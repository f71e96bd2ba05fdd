-- pngserver.lua: a small HTTP server that answers each request after a fixed time.
--
-- It runs as one task of a pool, and serves any number of connections at once: a table of
-- connections, each in one of three states, and one call of socket.select to wait for all.
-- It exists for download.lua, and knows no more of HTTP than that needs.
-- SPDX-License-Identifier: MIT

local socket = require "socket"

local server = {}

local STOP_CHECK = 0.05 -- seconds between two looks at the request to stop
local LONGEST_REQUEST = 8192 -- bytes

local function response(files, request)
  local path = request:match("^GET /(%S*) HTTP/")
  local body = path and files[path]
  local head = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
  if not body then
    head, body = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n", "no such picture\n"
  end
  return ("%sContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(head, #body, body)
end

-- A connection's states: "reading" its request, "waiting" until it is due, "writing" the answer.
local step = {}

function step.reading(c, files, latency)
  local data, err, partial = c.socket:receive(1024)
  c.input = c.input .. (data or partial or "")
  if c.input:find("\r\n\r\n", 1, true) then
    c.output, c.sent = response(files, c.input), 0
    c.due = socket.gettime() + latency
    c.state = "waiting"
  elseif err == "closed" or #c.input > LONGEST_REQUEST then
    return "done"
  end
end

function step.waiting(c)
  if socket.gettime() >= c.due then c.state = "writing" end
end

function step.writing(c)
  local sent, err, partial = c.socket:send(c.output, c.sent + 1)
  c.sent = sent or partial or c.sent
  if c.sent >= #c.output or (err and err ~= "timeout") then return "done" end
end

local function accept(listener, connections)
  local s = listener:accept()
  while s do
    s:settimeout(0)
    connections[s] = { socket = s, state = "reading", input = "" }
    s = listener:accept()
  end
end

-- What to wait for: sockets to read, sockets to write, and for how long at most.
local function interests(listener, connections)
  local reads, writes, timeout = { listener }, {}, STOP_CHECK
  for s, c in pairs(connections) do
    if c.state == "reading" then
      reads[#reads + 1] = s
    elseif c.state == "writing" then
      writes[#writes + 1] = s
    else
      timeout = math.max(0, math.min(timeout, c.due - socket.gettime()))
    end
  end
  return reads, writes, timeout
end

--- Serves until `stop` is done; answers the number of connections it served.
--- files: from name to bytes. latency: seconds.
--- ready: a future that gets the port, or the error. stop: a future that the caller sets.
function server.run(files, latency, ready, stop)
  local listener, err = socket.bind("127.0.0.1", 0)
  if not listener then
    ready:set_exception(err)
    return 0
  end
  listener:settimeout(0)
  local _, port = listener:getsockname()
  ready:set_result(math.tointeger(tonumber(port)))

  local connections, served = {}, 0
  while not stop:done() do
    local reads, writes, timeout = interests(listener, connections)
    local readable, writable = socket.select(reads, writes, timeout)
    if readable[listener] then accept(listener, connections) end
    for s, c in pairs(connections) do
      if c.state == "waiting" or readable[s] or writable[s] then
        if step[c.state](c, files, latency) == "done" then
          s:close()
          connections[s] = nil
          served = served + 1
        end
      end
    end
  end
  for s in pairs(connections) do
    s:close()
  end
  listener:close()
  return served
end

return server
