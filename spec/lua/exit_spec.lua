-- How scripts end: in time, with the right status and nothing on stderr; and Ctrl-C.
-- TIDE_EXIT_ROUNDS (25) says how often each way to end is tried.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it = h.busted()
local assert = require "luassert"

local rounds = tonumber(os.getenv "TIDE_EXIT_ROUNDS") or 25

-- 300 tasks queued on four workers, some of them done already.
local busy = [[
  local tidepool = require "tidepool"
  local ex = tidepool.executor(4)
  local fs = {}
  for i = 1, 300 do
    fs[i] = ex:submit(function() local s = 0 for k = 1, 100 do s = s + k end return { i, s } end)
  end
  fs[1]:add_done_callback(function() end)
]]

local function ends(code, status, stderr, env)
  for _ = 1, rounds do
    local r = h.run_script(busy .. code, { env = env })
    if stderr then
      h.contains(stderr, r.stderr)
    else
      assert.equal("", r.stderr)
    end
    assert.equal(status, r.status)
    assert.equal("", r.stdout)
  end
end

describe("A script with hundreds of tasks queued ends with the right status", function()
  it("by falling off its end", function() ends("", 0) end)

  -- For an exit that closes nothing: leaks that a leak checker finds then are expected.
  local unclosed = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" }

  it("by os.exit(0)", function() ends("os.exit(0)", 0, nil, unclosed) end)

  it("by os.exit(0, true)", function() ends("os.exit(0, true)", 0) end)

  it("by os.exit(3)", function() ends("os.exit(3)", 3, nil, unclosed) end)

  it("by os.exit(3, true)", function() ends("os.exit(3, true)", 3) end)

  it("by an error", function() ends("error 'at the end'", 1, "at the end") end)

  it("by an error in a block with <close>", function()
    ends("do local x <close> = ex error 'in the block' end", 1, "in the block")
  end)

  it("with futures dropped", function() ends("fs = nil collectgarbage()", 0) end)

  it("with the executor dropped", function() ends("ex = nil collectgarbage()", 0) end)

  it("after shutdown { wait = false }", function() ends("ex:shutdown { wait = false }", 0) end)

  it("after shutdown { wait = false, cancel_futures = true }", function()
    ends("ex:shutdown { wait = false, cancel_futures = true }", 0)
  end)

  it("with a map half read", function()
    ends([[
      for i in ex:map(function(x) return x end, fs) do if i == 3 then break end end
      local it = ex:map(tostring, { 1, 2, 3, 4 })
      it()
    ]], 0)
  end)

  it("with as_completed half read", function()
    ends("_G.it = tidepool.as_completed(fs) it() it()", 0)
  end)

  it("with several executors", function()
    ends([[
      for i = 1, 3 do
        local other = tidepool.executor(2)
        for k = 1, 50 do other:submit(string.rep, "x", k) end
      end
    ]], 0)
  end)

  it("with failed tasks whose errors were not read", function()
    ends("for i = 1, 50 do ex:submit(error, 'unseen') end", 0)
  end)

  it("with a broken executor", function()
    ends([[
      local bad = tidepool.executor { max_workers = 2, initializer = error, initargs = { "no" } }
      for i = 1, 20 do pcall(bad.submit, bad, print) end
    ]], 0)
  end)

  it("with executors that tasks made", function()
    ends([[
      for i = 1, 4 do
        ex:submit(function()
          local inner = require "tidepool".executor(2)
          for k = 1, 10 do inner:submit(string.rep, "x", k) end
        end)
      end
    ]], 0)
  end)

  it("with tasks that submit more tasks", function()
    ends([[
      local function tree(depth)
        for _ = 1, depth do pcall(ex.submit, ex, tree, depth - 1) end
      end
      ex:submit(tree, 5)
    ]], 0)
  end)

  it("with tasks that wait for other tasks", function()
    ends([[
      local other = tidepool.executor(2)
      for i = 1, 20 do
        local f = other:submit(string.rep, "x", i)
        ex:submit(function() return f:result() end)
      end
    ]], 0)
  end)

  it("with a finalizer that uses the library", function()
    ends([[
      _G.last = setmetatable({}, { __gc = function()
        pcall(function() return ex:submit(math.abs, 1):result() end)
        pcall(function() return fs[300]:result() end)
        pcall(function() return tidepool.wait(fs, { timeout = 0.001 }) end)
        pcall(function() return tidepool.executor(1):submit(math.abs, 1):result() end)
      end })
      _G.keep = { ex, fs, tidepool }
    ]], 0, nil, unclosed) -- Lua never finalises what is made while its state closes
  end)

  it("with the module unloaded from package.loaded", function()
    ends("for name in pairs(package.loaded) do package.loaded[name] = nil end", 0)
  end)
end)

-- The script starts a task that says "ready" once the main thread sleeps, then waits for the
-- gate that is opened when the script unwinds: the running tasks end soon.
local before_wait = [[
  local tidepool, gate = require "tidepool", require "gate"
  local g, main = gate.new(), gate.thread_id()
  local ex = tidepool.executor(2)
  local opener <close> = setmetatable({}, { __close = function() gate.open(g) end })
  local function task()
    if gate.add "first" == 1 then
      gate.asleep(main)
      io.stdout:write("ready\n")
      io.stdout:flush()
    end
    gate.wait(g)
  end
]]

local function interrupted(code)
  local r = h.interrupt(before_wait .. code)
  assert.is_true(r.ready, r.stderr)
  h.contains("interrupted!", r.stderr)
  assert.equal(1, r.status)
  assert.equal("", r.rest)
  -- 0.2 s, and 0.1 s for the process itself to end
  assert.is_true(r.seconds < 0.3 * h.slow, ("took %.3f s"):format(r.seconds))
end

describe("Ctrl-C stops a script that waits, with Lua's own interrupted!,", function()
  it("in result", function() interrupted "ex:submit(task):result()" end)

  it("in result with a timeout", function() interrupted "ex:submit(task):result(60)" end)

  it("in exception, pcall and wait", function()
    interrupted "ex:submit(task):exception()"
    interrupted "ex:submit(task):pcall()"
    interrupted "ex:submit(task):wait()"
  end)

  it("in tidepool.wait", function() interrupted "tidepool.wait { ex:submit(task) }" end)

  it("in as_completed", function()
    interrupted "for _ in tidepool.as_completed { ex:submit(task) } do end"
  end)

  it("in a map", function() interrupted "for _ in ex:map(task, { 1, 2, 3 }) do end" end)

  it("in an unordered map", function()
    interrupted "for _ in ex:with({ ordered = false }):map(task, { 1, 2, 3 }) do end"
  end)

  it("in shutdown", function() interrupted "ex:submit(task) ex:shutdown()" end)

  it("in a submit that waits for a free place", function()
    interrupted [[
      local small = tidepool.executor { max_workers = 1, max_queue = 1 }
      for _ = 1, 3 do small:submit(task) end
    ]]
  end)

  it("and can be caught, after which everything works on", function()
    local r = h.interrupt(before_wait .. [[
      local f = ex:submit(task)
      local ok, err = pcall(f.result, f)
      gate.open(g)
      print(ok, err, f:pcall())
    ]])
    assert.is_true(r.ready, r.stderr)
    assert.equal("", r.stderr)
    assert.equal(0, r.status)
    assert.matches("^false\t.*interrupted!\ttrue\n$", r.rest)
  end)
end)
