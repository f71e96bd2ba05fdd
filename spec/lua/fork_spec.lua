-- Processes: programs that tasks and the script start while tasks run, and what a forked child may
-- do with its parent's executors.
-- TIDE_FORK_ROUNDS (20) says how often each race is tried.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it = h.busted()
local assert = require "luassert"
local tidepool = require "tidepool"
local process = require "process"

local rounds = tonumber(os.getenv "TIDE_FORK_ROUNDS") or 20

local function echo(...) return ... end

-- An executor whose workers take, run and finish tasks all the time; `stop` ends that.
local function busy(workers)
  local ex = h.pool(workers)
  local going, fs = tidepool.future(), {}
  local function churn(pool, last, text)
    local futures = {}
    while not last:done() do
      for i = 1, 20 do futures[i] = pool:submit(function(t) return t, #t end, text) end
      for i = 1, 20 do futures[i]:result() end
    end
  end
  -- in a state of its own, so that this one's locks are free but for deliveries
  for i = 1, 2 do fs[i] = ex:submit(churn, h.pool(workers), going, ("x"):rep(70000)) end
  return ex, function()
    going:set_result()
    for i = 1, #fs do fs[i]:result() end
  end
end

-- Returns what fn(...) returned in a child, or the kind of its error.
local function in_child(fn, ...)
  return process.fork(function(...)
    local ok, err = pcall(fn, ...)
    return ok and "ended: " .. tostring(err) or tidepool.error_kind(err) or err
  end, ...)
end

describe("Programs run", function()
  it("from tasks, with os.execute and io.popen", function()
    local ex, fs = h.pool(4), {}
    for i = 1, rounds do
      fs[i] = ex:submit(i % 2 == 0 and function(n)
        local ok, how, code = os.execute("exit " .. n % 7)
        return (ok == true) == (n % 7 == 0) and how == "exit" and code == n % 7
      end or function(n)
        local p = assert(io.popen("echo " .. n))
        local line = p:read "n"
        return p:close() == true and line == n
      end, i)
    end
    for i = 1, rounds do assert.is_true(fs[i]:result()) end
  end)

  it("from the script, while tasks run", function()
    local _, stop = busy(2)
    for i = 1, rounds do
      assert.is_true(os.execute("test " .. i .. " -gt 0"))
      local p = assert(io.popen("echo " .. i))
      assert.equal(i, p:read "n")
      p:close()
    end
    stop()
  end)

  it("that a child starts with exec, while tasks run", function()
    local _, stop = busy(2)
    for _ = 1, rounds // 2 do
      assert.equal("true:7", process.fork(function()
        local p = assert(io.popen "echo 7")
        return p:read "n"
      end))
    end
    stop()
  end)
end)

describe("A forked child", function()
  it("gets an error from submit, result, wait, shutdown and closing, at any moment", function()
    local ex, stop = busy(2)
    for i = 1, rounds do
      local f = ex:submit(function(n) while n:status() == "pending" do end end, tidepool.future())
      assert.equal("true:broken", in_child(ex.submit, ex, echo, 1))
      assert.equal("true:broken", in_child(f.result, f))
      if i % 10 == 1 then
        assert.equal("true:broken", in_child(f.pcall, f, 100))
        assert.equal("true:broken", in_child(f.exception, f))
        assert.equal("true:broken", in_child(f.wait, f))
        assert.equal("true:broken", in_child(tidepool.wait, { f }))
        assert.equal("true:broken", in_child(tidepool.as_completed, { f }))
        assert.equal("true:broken", in_child(ex.shutdown, ex))
        assert.equal("true:broken", in_child(ex.shutdown, ex, { wait = false }))
        assert.equal("true:broken", in_child(function() local _ <close> = ex end))
        assert.equal("true:broken", in_child(function() return ex:map(echo, { 1, 2, 3 }) end))
        assert.equal("true:broken", in_child(f.add_done_callback, f, echo))
        assert.equal("true:ended: false", in_child(f.cancel, f))
        assert.equal("true:ended: 0", in_child(function() return ex:stats().workers end))
      end
      f:interrupt()
    end
    stop()
  end)

  it("gets the words for it", function()
    local ex = h.pool(1)
    h.contains("the process was forked", process.fork(ex.submit, ex, echo))
    local f = ex:submit(echo)
    f:result()
    h.contains("the process was forked", process.fork(ex.shutdown, ex))
  end)

  it("reads futures that were done before", function()
    local ex = h.pool(2)
    local f, g = ex:submit(echo, { 1 }, ("x"):rep(100000)), ex:submit(error, "no", 0)
    tidepool.wait { f, g }
    assert.equal("true:100001", process.fork(function()
      local t, s = f:result()
      local n = #tidepool.wait { f, g }
      for done in tidepool.as_completed { g, f } do n = n + (done:done() and 0 or 1) end
      assert(n == 2 and g:exception() == "no")
      return t[1] + #s
    end))
  end)

  it("collects the parent's objects", function()
    local ex, stop = busy(2)
    for _ = 1, rounds // 2 do
      local f, q = ex:submit(echo, {}), tidepool.future()
      f:add_done_callback(echo)
      q:add_done_callback(echo)
      local map = ex:map(echo, { 1, 2, 3, 4 })
      assert.equal("true:done", process.fork(function()
        f, map, ex = nil, nil, nil
        collectgarbage()
        collectgarbage()
        return f or map or ex or "done"
      end))
      map:close()
      f:result()
      q:set_result()
    end
    stop()
  end)

  it("has memory of its own, whatever tasks allocate at that moment", function()
    local ex, last, fs = h.pool(4), tidepool.future(), {}
    local function allocate(n)
      local t = {}
      for i = 1, n do t[i] = ("x"):rep(i % 500 + 41) end
      return #t
    end
    for i = 1, 4 do
      fs[i] = ex:submit(function(fn, done)
        while not done:done() do fn(200) end
      end, allocate, last)
    end
    local answer
    for _ = 1, rounds // 2 do
      answer = process.fork(allocate, 2000)
      if answer ~= "true:2000" then break end
    end
    last:set_result()
    for i = 1, 4 do fs[i]:result() end
    assert.equal("true:2000", answer)
  end)

  it("makes executors of its own", function()
    local ex = h.pool(2)
    local old = ex:submit(echo, 1)
    assert.equal(1, old:result())
    if os.getenv "TSAN_OPTIONS" then return end -- ThreadSanitizer knows no threads in a child
    assert.equal("true:6", process.fork(function()
      local own <close> = tidepool.executor(2)
      local n = 0
      for _, x in own:map(function(y) return y end, { 1, 2, 3 }) do n = n + x end
      old:add_done_callback(echo)
      local done = tidepool.wait { own:submit(echo, 2), own:submit(echo, 3), old }
      assert(#done == 3)
      return n
    end))
  end)

  it("of a task ends where the task would", function()
    local ex = h.pool(1)
    local pid = ex:submit(function() return require "process".split() end):result()
    assert.is_true(pid > 0)
    assert.same({ "exit", 0 }, { process.wait(pid) })
    assert.equal(1, ex:submit(echo, 1):result())
  end)

  -- What was the parent's is left alone, which a leak checker cannot know.
  local unclosed = { env = {
    ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" } }

  it("ends, with its state closed, whatever is under way", function()
    for i = 1, rounds // 3 do
      h.runs(([[
        local t, process = require "tidepool", require "process"
        local ex = t.executor(2)
        local fs = {}
        for i = 1, 200 do fs[i] = ex:submit(function(s) return s, #s end, ("x"):rep(70000)) end
        fs[1]:add_done_callback(function() end)
        if %d %% 2 == 0 then fs[1]:result() end
        if %s then t.wait(fs) end
        local pid = process.split()
        if pid == 0 then
          if %d %% 3 == 0 then fs = nil collectgarbage() end
          os.exit(4, true)
        end
        local how, status = process.wait(pid)
        assert(how == "exit" and status == 4, how .. status)
        for i = 1, 200 do assert(select(2, fs[i]:result()) == 70000) end
      ]]):format(i, h.sanitized, i), 0, unclosed)
    end
  end)
end)
