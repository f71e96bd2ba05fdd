-- mandelbrot.lua [WIDTH] [HEIGHT] [WORKERS]: draws the Mandelbrot set, three times.
--
-- The first picture is computed in this state, the second by a pool whose tasks send rows back,
-- the third by a pool whose tasks write into an array that all of them share. The three must be
-- equal. The picture is written to out/mandelbrot/ beside this script, as a PNG.
-- SPDX-License-Identifier: MIT

local tidepool = require "tidepool"

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local support = require "support"
local png = require "png"

local LIMIT <const> = 200 -- a point that has not escaped after so many steps is in the set
local SAMPLES <const> = 2 -- a pixel is the mean of SAMPLES * SAMPLES points

local function whole(n, default)
  if not arg[n] then return default end
  local value = math.tointeger(tonumber(arg[n]))
  if value and value >= 1 then return value end
  io.stderr:write("usage: mandelbrot.lua [WIDTH] [HEIGHT] [WORKERS], all whole numbers from 1\n")
  os.exit(2)
end

local width, height = whole(1, 800), whole(2, 600)
local workers = whole(3, tidepool.cpu_count())

local scale = 3.2 / math.max(width, height * 4 / 3)

-- Returns how long a point took to escape, on a logarithmic scale from 0 to 1; 1 if it never did.
-- What is left of z² at the escape gives the fraction of a step, so that shades have no borders.
local function shade(cr, ci)
  local zr, zi, r2, i2, steps = 0.0, 0.0, 0.0, 0.0, 0
  repeat
    if steps == LIMIT then return 1 end
    zr, zi = r2 - i2 + cr, 2 * zr * zi + ci
    r2, i2 = zr * zr, zi * zi
    steps = steps + 1
  until r2 + i2 > 1000
  local smooth = steps + 1 - math.log(math.log(r2 + i2) / 2, 2)
  return math.log(math.max(smooth, 1)) / math.log(LIMIT)
end

-- Returns the shade of pixel x of row y, both from 1, as an integer from 0 to 255.
local function pixel(x, y)
  local sum = 0
  for i = 1, SAMPLES do
    for j = 1, SAMPLES do
      local across, down = x - 1 + (i - 0.5) / SAMPLES, y - 1 + (j - 0.5) / SAMPLES
      sum = sum + shade((across - width / 2) * scale - 0.65, (down - height / 2) * scale)
    end
  end
  return math.floor(sum / SAMPLES ^ 2 * 255)
end

-- Returns a row as a string of one byte per pixel. `pixel` and its upvalues travel with the task.
local function row(y)
  local bytes = {}
  for x = 1, width do bytes[x] = string.char(pixel(x, y)) end
  return table.concat(bytes)
end

local ys = {}
for y = 1, height do ys[y] = y end

local function one_by_one()
  local rows = {}
  for _, y in ipairs(ys) do rows[y] = row(y) end
  return table.concat(rows)
end

local function in_parallel()
  local ex <close> = tidepool.executor { max_workers = workers, thread_name_prefix = "mandelbrot" }
  return table.concat(ex:map(row, ys):collect())
end

-- No row is sent: the tasks get a reference to the array, and write into its memory.
local function in_place()
  local ex <close> = tidepool.executor { max_workers = workers, thread_name_prefix = "mandelbrot" }
  local picture = tidepool.array("u8", width * height)
  local function fill(y)
    local line = picture:slice((y - 1) * width + 1, y * width)
    for x = 1, width do line[x] = pixel(x, y) end
  end
  ex:map(fill, ys):collect()
  return picture:tostring()
end

-- The palette: shades, and the red, green and blue at each. Those between are mixed.
local STOPS = {
  { 0.00, 0, 2, 30 }, { 0.12, 0, 8, 52 }, { 0.32, 20, 70, 165 }, { 0.46, 90, 180, 245 },
  { 0.56, 245, 252, 255 }, { 0.68, 255, 190, 50 }, { 0.84, 150, 40, 10 }, { 1.00, 0, 0, 0 },
}

local function colour(number)
  local at, k = number / 255, 2
  while STOPS[k][1] < at do k = k + 1 end
  local low, high = STOPS[k - 1], STOPS[k]
  local part = (at - low[1]) / (high[1] - low[1])
  local function mix(i) return math.floor(low[i] + part * (high[i] - low[i]) + 0.5) end
  return mix(2), mix(3), mix(4)
end

print(("%d x %d pixels, %d workers"):format(width, height, workers))
local alone, expected = support.timed(one_by_one)
print(("sequential:   %6.2f s"):format(alone))
local together, sent = support.timed(in_parallel)
print(("map of rows:  %6.2f s   speed-up %.2f"):format(together, alone / together))
local shared, written = support.timed(in_place)
print(("shared array: %6.2f s   speed-up %.2f"):format(shared, alone / shared))

assert(sent == expected, "the picture sent in rows differs")
assert(written == expected, "the picture in the shared array differs")

local path = support.out_dir("mandelbrot") .. "/mandelbrot.png"
support.write_file(path, png.encode(width, expected, colour))
print("the three pictures are equal; written to " .. path)
