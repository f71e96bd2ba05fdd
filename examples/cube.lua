-- cube.lua: the smallest use of a pool. Four tasks cube a number each and print it.
-- The lines come in the order in which the tasks finish. No two lines are mixed.
-- SPDX-License-Identifier: MIT

local tidepool = require "tidepool"

local function cube(x)
  print(("Cube of %d:%d"):format(x, x * x * x))
end

local ex <close> = tidepool.executor(5)
for _ in ex:map(cube, { 3, 4, 5, 6 }) do end
