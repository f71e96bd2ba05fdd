-- Child executors: a task made them, and its state closes before they have ended.
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local tidepool = require "tidepool"

-- All kinds of executor whose one worker closes its state before the executor is shut down.
local closing = {
  max_tasks_per_worker = { max_workers = 1, max_tasks_per_worker = 1 },
  isolation = { max_workers = 1, isolation = "task" },
  idle_timeout = { max_workers = 1, idle_timeout = 0 },
}

-- In a task of `ex`: leaves an executor that runs fn(ex, ...), and returns that task's future.
local function leave(ex, fn, ...)
  local inner = require "tidepool".executor(1)
  return inner:submit(fn, ex, ...)
end

-- Run by that executor: waits for the gate, then for a task of the executor whose task left it.
local function wait_for_task(ex, gate)
  gate:result()
  return ex:submit(function() return "both went on" end):result()
end

describe("An executor that a task left", function()
  after_each(h.finish)

  for name, config in pairs(closing) do
    it("continues when its state closes (" .. name .. ")", function()
      for _ = 1, 20 do
        local ex <close> = tidepool.executor(config)
        local gate = tidepool.future()
        local left = ex:submit(leave, ex, wait_for_task, gate):result(60)
        -- the only worker closes the state, sooner or later, and must not wait for it meanwhile
        assert.equal("next", ex:submit(function() return "next" end):result(60))
        gate:set_result()
        assert.equal("both went on", left:result(60))
      end
    end)
  end

  it("is waited for by the shutdown of the executor whose task left it", function()
    local ex = h.pool(1)
    local gate = tidepool.future()
    local left = ex:submit(leave, ex, function(_, gate_) return gate_:result() end, gate):result()
    assert.is_false(ex:shutdown { timeout = 0.01 })
    assert.is_false(ex:shutdown { timeout = 0 })
    assert.is_false(left:done())
    gate:set_result "opened"
    assert.is_true(ex:shutdown { timeout = 60 })
    assert.equal("opened", left:result(0))
  end)

  it("is waited for when the outermost state closes", function()
    local out = h.runs [[
      local tidepool = require "tidepool"
      local ex = tidepool.executor { max_workers = 1, isolation = "task" }
      for _ = 1, 3 do
        ex:submit(function()
          local inner = require "tidepool".executor(1)
          inner:submit(function()
            local enough = os.clock() + 0.05
            while os.clock() < enough do end
            io.stdout:write "left, and done\n"
          end)
        end)
      end
    ]]
    assert.equal(("left, and done\n"):rep(3), out)
  end)

  it("is interrupted and cancelled with it, to any depth", function()
    for _, config in pairs(closing) do
      local ex = tidepool.executor(config)
      local looping, queued, deep = ex:submit(function()
        local pool = require "tidepool"
        local inner = pool.executor(1)
        local function forever() while true do end end
        local looping = inner:submit(forever)
        local other = pool.executor { max_workers = 1, isolation = "task" }
        local deep = other:submit(function(fn)
          return require "tidepool".executor(1):submit(fn)
        end, forever):result()
        return looping, inner:submit(forever), deep
      end):result(60)
      assert.equal(1, ex:submit(function() return 1 end):result(60))
      assert.is_true(ex:shutdown { interrupt = true, timeout = 60 })
      h.raises("interrupted", looping.result, looping, 0)
      assert.is_true(queued:cancelled() or queued:exception(0).kind == "interrupted")
      assert.is_true(deep:cancelled() or deep:exception(0).kind == "interrupted")
    end
  end)

  it("cannot wait for that one's end", function()
    local ex = tidepool.executor(closing.isolation)
    local gate = tidepool.future()
    local left = ex:submit(leave, ex, function(ex_, gate_)
      gate_:result()
      return ex_:shutdown()
    end, gate):result(60)
    assert.equal(1, ex:submit(function() return 1 end):result(60))
    gate:set_result()
    h.raises("deadlock", left.result, left, 60)
    assert.is_true(ex:shutdown { timeout = 60 })
  end)

  it("cannot, whatever else was left, nor at the same time as another one", function()
    local ex = tidepool.executor(closing.isolation)
    local gate, last = tidepool.future(), tidepool.future()
    local left = {}
    local function wait_for_end(ex_, gate_, last_)
      gate_:result()
      if last_ then return last_:result() end
      local now = ex_:shutdown { timeout = 0 }
      local ok, err = pcall(ex_.shutdown, ex_)
      return now, ok, require "tidepool".error_kind(err)
    end
    for i = 1, 4 do
      left[i] = ex:submit(leave, ex, wait_for_end, gate, i % 2 == 0 and last or nil):result(60)
      assert.equal(1, ex:submit(function() return 1 end):result(60))
    end
    gate:set_result()
    for i = 1, 3, 2 do
      local now, ok, kind = left[i]:result(60)
      assert.is_false(now)
      assert.is_false(ok)
      assert.equal("deadlock", kind)
    end
    last:set_result()
    assert.is_true(ex:shutdown { timeout = 60 })
  end)

  it("is freed once it has ended, with the next one that is left", function()
    local ex <close> = tidepool.executor(closing.isolation)
    for _ = 1, 100 do
      assert.equal(1, ex:submit(leave, ex, function() return 1 end):result(60):result(60))
      collectgarbage() -- their futures keep them
    end
    -- itself, the last one, and one that had not ended when the last one came
    h.eventually(function()
      assert.equal(1, ex:submit(leave, ex, function() return 1 end):result(60):result(60))
      collectgarbage()
      return core.live().executors <= 3
    end, "those that have ended go")
  end)
end)
