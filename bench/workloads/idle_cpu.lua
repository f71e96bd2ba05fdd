-- idle_cpu.lua: processor time that an idle pool uses in one second, from 1 ms after its last task.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local native = require "bench_native"

local function noop() end

local ex <close> = tidepool.executor(4)
measure.park(ex, 4)()
for _ = 1, 1000 do
  ex:submit(noop):result()
end
native.sleep(0.001)
local before = native.cpu()
native.sleep(1)
measure.emit("idle_cpu", native.cpu() - before)
