-- stop.lua: how long it takes from interrupt() until the future is done, by what the task does.
-- SPDX-License-Identifier: MIT

package.path = (arg[0]:match("^(.*/)") or "./") .. "../?.lua;" .. package.path
local measure = require "measure"
local tidepool = require "tidepool"

local function forever() while true do end end

local loops = {
  bare = forever,
  pcall = function() while true do pcall(function() while true do end end) end end,
  coroutines = function()
    while true do
      coroutine.resume(coroutine.create(function()
        while true do
          pcall(coroutine.wrap(function() while true do end end))
        end
      end))
    end
  end,
  gsub = function()
    local s = ("x"):rep(1000)
    while true do s:gsub(".", function() for _ = 1, 10 do pcall(error) end end) end
  end,
  sort = function()
    while true do
      local t = {}
      for i = 1, 1000 do t[i] = i * 7919 % 1000 end
      table.sort(t, function(a, b) return a < b end)
    end
  end,
  allocating = function()
    local t = {}
    while true do t[#t % 1000 + 1] = { ("x"):rep(100) } end
  end,
  finalizer = function()
    setmetatable({}, { __gc = function() while true do end end })
    collectgarbage()
    while true do end
  end,
  finalizers = function()
    while true do setmetatable({}, { __gc = function() while true do end end }) end
  end,
  closing = function()
    local _ <close> = setmetatable({}, { __close = function()
      while true do pcall(function() while true do end end) end
    end })
  end,
}

local ex = tidepool.executor(1)
local repeats = measure.pick(10, 100)
for name, loop in pairs(loops) do
  local samples = {}
  for i = 1, repeats do
    local f = ex:submit(loop)
    while not f:running() do end
    local begun = measure.now() + 0.003
    while measure.now() < begun do end
    local start = measure.now()
    f:interrupt()
    f:wait()
    samples[i] = measure.now() - start
    assert(tidepool.error_kind(f:exception()) == "interrupted")
  end
  table.sort(samples)
  measure.emit("stop_p50_" .. name, samples[(#samples + 1) // 2])
  measure.emit("stop_p99_" .. name, samples[math.ceil(#samples * 0.99)])
end
ex:shutdown { interrupt = true }
