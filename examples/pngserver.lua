-- pngserver.lua: a small HTTP server that sends each response after a fixed delay.
--
-- It runs as one task of a pool. All responses have the same delay, so they are sent in the order
-- of the requests: one queue holds the waiting connections. A client must send its request at once.
-- Of HTTP the server has what download.lua needs.
-- SPDX-License-Identifier: MIT

local socket = require "socket"

local server = {}

local STOP_CHECK <const> = 0.05 -- seconds between two checks of `stop`, at most
local PATIENCE <const> = 1 -- seconds that a client may keep the server waiting

local ANSWER = "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
  .. "Connection: close\r\n\r\n%s"

-- Reads a request to its end, an empty line. Returns the name in the request, or nil.
local function read_request(client)
  client:settimeout(PATIENCE)
  local first = client:receive()
  local line = first
  while line and line ~= "" do line = client:receive() end
  return first and first:match("^GET /(%S*) HTTP/")
end

local function answer(client, body)
  if body then
    client:send(ANSWER:format("200 OK", "image/png", #body, body))
  else
    client:send(ANSWER:format("404 Not Found", "text/plain", 16, "no such picture\n"))
  end
  client:close()
end

--- Serves until `stop` is done. Returns the number of responses.
--- files: from name to bytes. latency: seconds.
--- ready: a future that gets the port, or the error. stop: a future that the caller sets.
function server.run(files, latency, ready, stop)
  local listener, err = socket.bind("127.0.0.1", 0)
  if not listener then
    ready:set_exception(err)
    return 0
  end
  local _, port = listener:getsockname()
  ready:set_result(math.tointeger(tonumber(port)))

  local waiting, first, last = {}, 1, 0 -- the queue is waiting[first] to waiting[last]
  while not stop:done() do
    local due = waiting[first] and waiting[first].due - socket.gettime() or STOP_CHECK
    listener:settimeout(math.max(0, math.min(due, STOP_CHECK)))
    local client = listener:accept()
    if client then
      local body = files[read_request(client) or ""]
      last = last + 1
      waiting[last] = { client = client, body = body, due = socket.gettime() + latency }
    end
    while waiting[first] and waiting[first].due <= socket.gettime() do
      answer(waiting[first].client, waiting[first].body)
      waiting[first] = nil
      first = first + 1
    end
  end
  for i = first, last do waiting[i].client:close() end
  listener:close()
  return first - 1
end

return server
