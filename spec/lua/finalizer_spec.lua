-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function final() gate.add "final" end

-- Waits until n finalizers have run, and checks that no more have.
local function finals(n)
  h.eventually(function() return gate.get "final" >= n end, "finalizers")
  assert.equal(n, gate.get "final")
end

describe("A finalizer runs before a worker's state is closed", function()
  after_each(h.finish)

  it("at shutdown, once per state", function()
    local g, fs = gate.new(), {}
    local ex = h.pool { max_workers = 2, finalizer = final }
    for i = 1, 2 do fs[i] = ex:submit(gate.wait, g) end
    gate.arrived(g, 2)
    gate.open(g)
    for i = 1, 2 do fs[i]:result() end
    for i = 1, 5 do assert.equal(i, ex:submit(math.abs, i):result()) end
    assert.equal(0, gate.get "final")
    ex:shutdown()
    assert.equal(2, gate.get "final")
  end)

  it("when its thread was idle for long", function()
    local ex = h.pool { max_workers = 1, idle_timeout = 0.01, finalizer = final }
    ex:submit(math.abs, 1):result()
    finals(1)
    ex:submit(math.abs, 1):result()
    finals(2)
    ex:shutdown()
  end)

  it("after max_tasks_per_worker", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 2, finalizer = final }
    for i = 1, 4 do ex:submit(math.abs, i):result() end
    ex:shutdown()
    assert.is_true(gate.get "final" >= 2)
  end)

  it("after each task, with isolation, and where no task ran", function()
    local ex = h.pool {
      max_workers = 1, isolation = "task", finalizer = final,
      initializer = function() gate.add "init" end,
    }
    for i = 1, 3 do ex:submit(math.abs, i):result() end
    ex:shutdown()
    assert.is_true(gate.get "init" >= 3)
    assert.equal(gate.get "init", gate.get "final")
  end)

  it("when a task left the state near its memory limit", function()
    local ex = h.pool { max_workers = 1, memory_limit = 4000000, finalizer = final }
    h.raises("memory_limit", function()
      ex:submit(function()
        KEPT = {}
        for i = 1, math.huge do KEPT[i] = ("x"):rep(1000) .. i end
      end):result()
    end)
    ex:submit(math.abs, 1):result()
    finals(1)
    ex:shutdown()
  end)

  it("in the threads that took the place of waiting ones", function()
    local ex = h.pool { max_workers = 1, finalizer = final, idle_timeout = 0.01 }
    local outer = ex:submit(function(inner)
      return inner:submit(math.abs, -5):result(60) -- with a limit: another thread takes its place
    end, ex)
    assert.equal(5, outer:result())
    h.eventually(function() return gate.get "final" >= 1 end, "a finalizer")
    ex:shutdown()
  end)

  it("in states of tasks that ran in the place of others", function()
    local ex = h.pool {
      max_workers = 1, finalizer = final, initializer = function() gate.add "init" end,
    }
    local function outer(inner) return inner:submit(math.abs, -5):result() end
    assert.equal(5, ex:submit(outer, ex):result())
    ex:shutdown()
    assert.is_true(gate.get "init" >= 2)
    assert.equal(gate.get "init", gate.get "final")
  end)

  it("when the executor was dropped", function()
    tidepool.executor { max_workers = 1, finalizer = final }:submit(math.abs, 1):result()
    collectgarbage()
    collectgarbage()
    finals(1)
  end)

  it("when the script ends", function()
    assert.equal("1\nfinalized\n", h.runs [[
      local tidepool = require "tidepool"
      local ex = tidepool.executor { max_workers = 1, finalizer = function() print "finalized" end }
      print(ex:submit(math.abs, -1):result())]])
  end)
end)

describe("A finalizer", function()
  after_each(h.finish)

  it("does not run where no worker was made", function()
    h.pool { max_workers = 1, finalizer = final }:shutdown()
    assert.equal(0, gate.get "final")
  end)

  it("does not run where the initializer failed", function()
    local function fail() error "no" end
    local ex = h.pool { max_workers = 1, initializer = fail, finalizer = final }
    local f = ex:submit(math.abs, 1)
    h.raises("broken", f.result, f)
    ex:shutdown()
    assert.equal(0, gate.get "final")
  end)

  it("shares upvalues with the initializer, and sees the state's globals", function()
    local connection
    local ex = h.pool {
      max_workers = 1,
      initializer = function(n)
        connection = { n = n }
        LOG = { "opened" }
      end,
      initargs = { 7 },
      finalizer = function()
        gate.add("connection", connection.n)
        gate.add("log", #LOG)
      end,
    }
    ex:submit(function() LOG[2] = "used" end):result()
    ex:shutdown()
    assert.same({ 7, 2 }, { gate.get "connection", gate.get "log" })
    assert.is_nil(connection)
  end)

  it("sees the script's globals that it names as they were", function()
    AMOUNT = 5
    local ex = h.pool { max_workers = 1, finalizer = function() gate.add("amount", AMOUNT) end }
    AMOUNT = nil
    ex:submit(math.abs, 1):result()
    ex:shutdown()
    assert.equal(5, gate.get "amount")
  end)

  it("may be named by module and function", function()
    local ex = h.pool { max_workers = 1, finalizer = "spec.support.sample.final" }
    ex:submit(math.abs, 1):result()
    ex:shutdown()
    assert.equal(1, gate.get "sample")
  end)

  it("that no worker can find makes the executor broken", function()
    local ex = h.pool { max_workers = 1, finalizer = "no.such.module.fn" }
    local f = ex:submit(math.abs, 1)
    local err = h.raises("broken", f.result, f)
    h.contains("the finalizer cannot be had", err.message)
    h.contains("no.such.module", err.message)
  end)

  it("that cannot be sent is refused when the executor is made", function()
    local co = coroutine.create(print)
    local err = h.raises("transfer", tidepool.executor, { finalizer = function() return co end })
    h.contains("finalizer", err.message)
    h.contains("cannot send a coroutine", err.message)
    err = h.raises("transfer", tidepool.executor, {
      initializer = print, initargs = { 1, co }, finalizer = print,
    })
    h.contains("initializer argument 2", err.message)
    h.fails("option 'finalizer': function or 'module.function' expected", tidepool.executor,
      { finalizer = 1 })
  end)

  it("comes before the finalizers of objects", function()
    local ex = h.pool {
      max_workers = 1,
      finalizer = function() gate.add("order", gate.get "gc" == 0 and 1 or 100) end,
    }
    ex:submit(function()
      local mark = require "gate"
      KEPT = setmetatable({}, { __gc = function() mark.add "gc" end })
    end):result()
    ex:shutdown()
    assert.same({ 1, 1 }, { gate.get "order", gate.get "gc" })
  end)

  it("is no task", function()
    local ex = h.pool {
      max_workers = 1,
      finalizer = function()
        if require "tidepool".current_task() == nil then gate.add "outside" end
      end,
    }
    ex:submit(math.abs, 1):result()
    ex:shutdown()
    assert.equal(1, gate.get "outside")
  end)

  it("that raises is warned of, with a traceback", function()
    for _, raise in ipairs { "error 'it broke'", "error { words = 'it broke' }",
      "error(setmetatable({}, { __tostring = function() return 'it broke' end }))" } do
      local r = h.run_script(([[
        local tidepool = require "tidepool"
        local ex = tidepool.executor { max_workers = 1, finalizer = function() %s end }
        ex:submit(warn, "@on"):result()
        ex:shutdown()
        print "goes on"]]):format(raise), { flags = "-W" })
      assert.equal("goes on\n", r.stdout)
      assert.equal(0, r.status)
      h.contains("tidepool: error in the finalizer of a worker: ", r.stderr)
      h.contains(raise:find "words" and "table" or "it broke", r.stderr)
      h.contains("stack traceback", r.stderr)
    end
  end)

  it("that does not end is stopped by a shutdown that interrupts", function()
    local ex = h.pool {
      max_workers = 1,
      finalizer = function()
        gate.add "begun"
        while true do pcall(error) end
      end,
    }
    ex:submit(math.abs, 1):result()
    assert.is_false(ex:shutdown { timeout = 0 })
    h.eventually(function() return gate.get "begun" == 1 end, "the finalizer")
    assert.is_true(ex:shutdown { interrupt = true, timeout = 60 * h.slow })
    assert.equal(0, ex:stats().workers)
  end)

  it("that waits for a task of its own executor gets kind deadlock", function()
    local ex = h.pool {
      max_workers = 1, idle_timeout = 0.01,
      finalizer = function()
        local tide, own = require "tidepool", OWN
        local f = own:submit(math.abs, -1)
        local ok, err = pcall(f.result, f)
        f:cancel()
        if not ok then gate.add(tide.error_kind(err)) end
      end,
    }
    ex:submit(function(e) OWN = e end, ex):result()
    h.eventually(function() return gate.get "deadlock" >= 1 end, "the wait")
    ex:shutdown()
  end)

  it("that leaves a file open has it closed all the same", function()
    local name = os.tmpname()
    local ex = h.pool {
      max_workers = 1,
      initializer = function(path) FILE = assert(io.open(path, "w")) end,
      initargs = { name },
      finalizer = function() FILE:write "the end" end,
    }
    ex:submit(math.abs, 1):result()
    ex:shutdown()
    local file <close> = assert(io.open(name))
    assert.equal("the end", file:read "a")
    os.remove(name)
  end)
end)
