-- download.lua [URL...]: fetches images over HTTP one by one, then with a pool of three workers.
--
-- The images are saved under out/download/ beside this script, in one-by-one/ and pool/. LuaSocket
-- fetches them, inside the tasks. Without a URL the script draws nine pictures and serves them
-- itself on 127.0.0.1, with a delay of 100 ms. The server is a task of a second executor.
-- A URL that fails is reported, and does not stop the others; the exit status is then 1.
-- SPDX-License-Identifier: MIT

local tidepool = require "tidepool"
local http = require "socket.http"

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local support = require "support"
local png = require "png"
local server = require "pngserver"

local WORKERS = 3
local LATENCY = 0.1 -- seconds, of our own server

-- The task. `http` and `support` are modules: the worker loads its own by their names.
local function download(url, path)
  http.TIMEOUT = 20
  local body, code, _, status = http.request(url)
  if not body then error(code, 0) end
  if code ~= 200 then error(status, 0) end
  support.write_file(path, body)
  return #body
end

-- Both ways return the size of each image, and the errors of those that failed, by position.

local function one_by_one(urls, paths)
  local sizes, errors = {}, {}
  for i, url in ipairs(urls) do
    local ok, outcome = pcall(download, url, paths[i])
    -- Ctrl-C arrives as an error too. It ends the script.
    if not ok and tostring(outcome):find("interrupted!$") then error(outcome, 0) end
    if ok then sizes[i] = outcome else errors[i] = outcome end
  end
  return sizes, errors
end

local function in_parallel(urls, paths)
  local ex <close> = tidepool.executor { max_workers = WORKERS, thread_name_prefix = "download" }
  local futures, sizes, errors = {}, {}, {}
  for i, url in ipairs(urls) do
    futures[i] = ex:submit(download, url, paths[i])
  end
  for i, future in ipairs(futures) do
    local ok, outcome = future:pcall()
    if ok then sizes[i] = outcome else errors[i] = outcome end
  end
  return sizes, errors
end

local function draw_pictures()
  local width, height = 240, 180
  local function grey(i) return i, i, i end
  local function fire(i) return math.min(255, i * 2), i, i // 4 end
  local function sea(i) return i // 3, i, 255 - i // 2 end
  local function distance(x, y) return ((x - width / 2) ^ 2 + (y - height / 2) ^ 2) ^ 0.5 end
  local function wave(x, y) return (math.sin(x / 12) * math.cos(y / 9) + 1) * 127 end
  -- name, palette, and the number in the palette of the colour at (x, y)
  local drawings = {
    { "slope", sea, function(x) return x * 255 // width end },
    { "sky", sea, function(_, y) return 255 - y * 255 // height end },
    { "board", grey, function(x, y) return (x // 20 + y // 20) % 2 * 255 end },
    { "rings", sea, function(x, y) return math.floor(distance(x, y) * 8) end },
    { "spot", fire, function(x, y) return math.floor(math.max(0, 255 - distance(x, y) * 2)) end },
    { "xor", fire, function(x, y) return x ~ y end },
    { "carpet", grey, function(x, y) return x & y == 0 and 255 or 40 end },
    { "waves", sea, function(x, y) return math.floor(wave(x, y)) end },
    { "weave", fire, function(x, y) return x * y // 16 end },
  }
  local names, files = {}, {}
  for i, drawing in ipairs(drawings) do
    local name, palette, number = table.unpack(drawing)
    local pixels = {}
    for y = 0, height - 1 do
      for x = 0, width - 1 do pixels[#pixels + 1] = string.char(number(x, y) & 0xFF) end
    end
    names[i] = name .. ".png"
    files[names[i]] = png.encode(width, table.concat(pixels), palette)
  end
  return names, files
end

local function paths_for(urls, folder)
  local dir, paths = support.out_dir("download/" .. folder), {}
  for i, url in ipairs(urls) do
    local name = url:gsub("[?#].*", ""):match("([^/]+)$") or "image"
    paths[i] = ("%s/%02d-%s"):format(dir, i, name:gsub("[^%w._-]", "_"))
    os.remove(paths[i]) -- an earlier run may have saved it
  end
  return paths, dir
end

-- Fetches all in both ways and prints sizes and times. Returns the number of failures, and the
-- paths of the files of each way.
local function compare(urls)
  local paths_single, dir_single = paths_for(urls, "one-by-one")
  local paths_pool, dir_pool = paths_for(urls, "pool")
  local single, sizes_single, errors_single = support.timed(one_by_one, urls, paths_single)
  local pooled, sizes_pool, errors_pool = support.timed(in_parallel, urls, paths_pool)

  local failures = 0
  for i, url in ipairs(urls) do
    if sizes_single[i] and sizes_pool[i] then
      print(("%9d bytes  %s"):format(sizes_pool[i], url))
    else
      failures = failures + 1
      local message = tostring(errors_pool[i] or errors_single[i]):match("[^\n]*")
      print(("       failed  %s: %s"):format(url, message))
    end
  end
  print(("one by one: %6.2f s   saved in %s"):format(single, dir_single))
  print(("pool of %d:  %6.2f s   saved in %s"):format(WORKERS, pooled, dir_pool))
  if failures < #urls then print(("speed-up:   %6.2f"):format(single / pooled)) end
  return failures, paths_single, paths_pool
end

local function serve_and_compare()
  local names, files = draw_pictures()
  local ready, stop = tidepool.future(), tidepool.future()
  local ex <close> = tidepool.executor { max_workers = 1, thread_name_prefix = "pngserver" }
  local served = ex:submit(server.run, files, LATENCY, ready, stop)
  -- Stops the server before `ex` is closed, however this function ends: `ex` waits for its tasks.
  local _ <close> = setmetatable({}, { __close = function() stop:set_result() end })

  local port, urls = ready:result(10), {}
  for i, name in ipairs(names) do
    urls[i] = ("http://127.0.0.1:%d/%s"):format(port, name)
  end
  print(("serving %d pictures on port %d, each %d ms late"):format(#names, port, LATENCY * 1000))
  local failures, paths_single, paths_pool = compare(urls)
  for i, name in ipairs(names) do
    if support.read_file(paths_single[i]) ~= files[name]
      or support.read_file(paths_pool[i]) ~= files[name] then
      failures = failures + 1
      print("what was saved is not what was served: " .. name)
    end
  end
  if failures == 0 then print("all files saved are what was served") end
  assert(not served:done(), "the server ended early")
  return failures
end

local failures
if #arg > 0 then
  failures = compare({ table.unpack(arg) })
else
  failures = serve_and_compare()
end
os.exit(failures == 0, true)
