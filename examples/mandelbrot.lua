-- mandelbrot.lua [WIDTH] [HEIGHT] [WORKERS]: a picture computed row by row: in this state, by a
-- pool whose tasks send rows back, and by one whose tasks write into an array that all share. The
-- three must be equal. Written to out/mandelbrot/ beside this script, as a PNG.
-- SPDX-License-Identifier: MIT

local tidepool = require "tidepool"

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local support = require "support"
local png = require "png"

local function whole(n, default)
  if not arg[n] then return default end
  local value = math.tointeger(tonumber(arg[n]))
  if value and value >= 1 then return value end
  io.stderr:write("usage: mandelbrot.lua [WIDTH] [HEIGHT] [WORKERS], all whole numbers from 1\n")
  os.exit(2)
end

local width, height = whole(1, 1200), whole(2, 900)
local workers = whole(3, tidepool.cpu_count())

local scale = 3.2 / math.max(width, height * 4 / 3)

-- The number of steps after which the point of pixel x in row y escaped; 255 if it never did.
local function steps_at(x, y)
  local cr, ci = (x - 1 - width / 2) * scale - 0.6, (y - height / 2) * scale
  local zr, zi, steps = 0.0, 0.0, 0
  while steps < 255 do
    local r2, i2 = zr * zr, zi * zi
    if r2 + i2 > 4 then break end
    zr, zi = r2 - i2 + cr, 2 * zr * zi + ci
    steps = steps + 1
  end
  return steps
end

-- One row, as a string of one byte per pixel. steps_at and its upvalues travel with the function.
local function row(y)
  local bytes = {}
  for x = 1, width do bytes[x] = string.char(steps_at(x, y)) end
  return table.concat(bytes)
end

local function colour(steps)
  if steps == 255 then return 0, 0, 0 end
  local t = (steps / 255) ^ 0.4
  local function wave(phase)
    return math.floor(127.5 * (1 - math.cos(2 * math.pi * (t + phase))))
  end
  return wave(0.05), wave(0.0), wave(0.85)
end

local ys = {}
for y = 1, height do
  ys[y] = y - 1
end

local function one_by_one()
  local rows = {}
  for i, y in ipairs(ys) do
    rows[i] = row(y)
  end
  return rows
end

local function in_parallel()
  local ex <close> = tidepool.executor { max_workers = workers, thread_name_prefix = "mandelbrot" }
  local rows = {}
  for i, pixels in ex:map(row, ys) do
    rows[i] = pixels
  end
  return rows
end

-- No row is sent: the tasks get the array's address, and write into it.
local function in_place()
  local ex <close> = tidepool.executor { max_workers = workers, thread_name_prefix = "mandelbrot" }
  local picture = tidepool.array("u8", width * height)
  local function fill(y)
    local line = picture:slice(y * width + 1, (y + 1) * width)
    for x = 1, width do line[x] = steps_at(x, y) end
  end
  ex:map(fill, ys):collect()
  return picture
end

print(("%d x %d pixels, %d workers"):format(width, height, workers))
local alone, expected = support.timed(one_by_one)
print(("sequential:   %6.2f s"):format(alone))
local together, rows = support.timed(in_parallel)
print(("map of rows:  %6.2f s   speed-up %.2f"):format(together, alone / together))
local shared, picture = support.timed(in_place)
print(("shared array: %6.2f s   speed-up %.2f"):format(shared, alone / shared))

for y = 1, height do
  assert(rows[y] == expected[y], "the picture sent in rows differs")
end
assert(picture:tostring() == table.concat(expected), "the picture in the shared array differs")

local path = support.out_dir("mandelbrot") .. "/mandelbrot.png"
support.write_file(path, png.encode(width, height, rows, colour))
print("the three pictures are equal; written to " .. path)
