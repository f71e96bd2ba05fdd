-- When the system has no more threads: a pool of those that exist, or a clear error.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it = h.busted()
local assert = require "luassert"

local library = assert(package.searchpath("fewthreads", package.cpath))

-- Runs code in a process that can make n threads.
local function with_threads(n, code)
  return h.runs(code, 0, { env = {
    TIDE_THREADS = n,
    LD_PRELOAD = library,
    -- the library comes before the sanitizer's
    ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
  } })
end

describe("Without enough threads", function()
  it("the pool works with those that exist", function()
    assert.equal("3 workers, sum 5050\n", with_threads(3, [[
      local gate = require "gate"
      local ex <close> = require "tidepool".executor(8)
      local g, fs = gate.new(), {}
      for i = 1, 100 do
        fs[i] = ex:submit(function()
          gate.wait(g)
          return i
        end)
      end
      gate.arrived(g, 3)
      local sum, workers = 0, ex:stats().workers
      gate.open(g)
      for i = 1, 100 do sum = sum + fs[i]:result() end
      print(("%d workers, sum %d"):format(workers, sum))
    ]]))
  end)

  it("a map works with one", function()
    assert.equal("338350\n", with_threads(1, [[
      local ex <close> = require "tidepool".executor(8)
      local items, sum = {}, 0
      for i = 1, 100 do items[i] = i end
      for _, y in ex:map(function(x) return x * x end, items) do sum = sum + y end
      print(sum)
    ]]))
  end)

  it("a submit raises a clear error if there is none, and nothing is left behind", function()
    local out = with_threads(0, [[
      local ex <close> = require "tidepool".executor(4)
      print(pcall(ex.submit, ex, print, "never"))
      print(pcall(ex.map, ex, print, { 1, 2 }))
      local s = ex:stats()
      print(s.workers, s.queued, s.running)
    ]])
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.matches("^false\t.*thread", lines[1])
    assert.matches("^false\t.*thread", lines[2])
    assert.equal("0\t0\t0", lines[3])
  end)
end)
