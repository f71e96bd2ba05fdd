-- cube.lua: the smallest use of a pool. Five workers cube four numbers; the tasks print.
-- Whole lines come out, in whatever order the tasks finish.
-- SPDX-License-Identifier: MIT

local tidepool = require "tidepool"

local function cube(x)
  print(("Cube of %d:%d"):format(x, x * x * x))
end

local ex <close> = tidepool.executor(5)
for _ in ex:map(cube, { 3, 4, 5, 6 }) do end
