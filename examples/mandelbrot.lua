-- mandelbrot.lua [WIDTH] [HEIGHT] [WORKERS]: a picture computed row by row, first in this state,
-- then by a pool; both must be equal. Written to out/mandelbrot/ beside this script, as a PNG.
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

-- One row, as a string of one byte per pixel: the number of steps after which the point escaped,
-- 255 if it never did. The three upvalues travel with the function.
local scale = 3.2 / math.max(width, height * 4 / 3)

local function row(y)
  local bytes = {}
  local ci = (y - height / 2) * scale
  for x = 1, width do
    local cr = (x - 1 - width / 2) * scale - 0.6
    local zr, zi, steps = 0.0, 0.0, 0
    while steps < 255 do
      local r2, i2 = zr * zr, zi * zi
      if r2 + i2 > 4 then break end
      zr, zi = r2 - i2 + cr, 2 * zr * zi + ci
      steps = steps + 1
    end
    bytes[x] = string.char(steps)
  end
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

print(("%d x %d pixels, %d workers"):format(width, height, workers))
local alone, expected = support.timed(one_by_one)
print(("sequential: %6.2f s"):format(alone))
local together, rows = support.timed(in_parallel)
print(("parallel:   %6.2f s   speed-up %.2f"):format(together, alone / together))

for y = 1, height do
  assert(rows[y] == expected[y], "the two pictures differ")
end

local path = support.out_dir("mandelbrot") .. "/mandelbrot.png"
support.write_file(path, png.encode(width, height, rows, colour))
print("both pictures are equal; written to " .. path)
