-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function mul(x, y) return x * y end

describe("An initializer", function()
  after_each(h.finish)

  it("runs in each worker before its first task", function()
    local g, fs = gate.new(), {}
    local ex = h.pool {
      max_workers = 2,
      initializer = function() _G.status = "initialized" end,
    }
    for i = 1, 2 do
      fs[i] = ex:submit(function()
        gate.wait(g)
        return _G.status
      end)
    end
    gate.arrived(g, 2)
    gate.open(g)
    for i = 1, 2 do assert.equal("initialized", fs[i]:result()) end
  end)

  it("gets initargs", function()
    local ex = h.pool {
      max_workers = 1,
      initializer = function(...) _G.args = table.pack(...) end,
      initargs = { "a", { 2 }, n = 3 },
    }
    local args = ex:submit(function() return _G.args end):result()
    assert.equal("a", args[1])
    assert.same({ 2 }, args[2])
    assert.equal(3, args.n)
  end)

  it("runs once per worker", function()
    local ex = h.pool { max_workers = 1, initializer = function() gate.add "init" end }
    for i = 1, 5 do assert.equal(i, ex:submit(mul, i, 1):result()) end
    assert.equal(1, gate.get "init")
  end)

  it("does not run without a task", function()
    h.pool { max_workers = 2, initializer = function() gate.add "init" end }:shutdown()
    assert.equal(0, gate.get "init")
  end)

  it("may be named by module and function", function()
    local ex = h.pool { max_workers = 1, initializer = "math.abs", initargs = { -1 } }
    assert.equal(6, ex:submit(mul, 2, 3):result())
  end)

  it("may define functions that tasks call as globals", function()
    local ex = h.pool {
      max_workers = 1,
      initializer = function() function _G.triple(x) return 3 * x end end,
    }
    assert.equal(12, ex:submit(function() return _G.triple(4) end):result())
  end)

  it("may set anew a global of the script that it names: it stays", function()
    BASE = "script"
    local ex = h.pool { max_workers = 1, initializer = function() BASE = "initializer" end }
    for _ = 1, 2 do
      assert.equal("initializer", ex:submit(function() return BASE end):result())
    end
    BASE = nil
    assert.equal("initializer", ex:submit(function() return BASE end):result())
  end)

  it("that cannot be sent is refused when the executor is made", function()
    local co = coroutine.create(print)
    local err = h.raises("transfer", tidepool.executor, {
      max_workers = 1, initializer = function() return co end,
    })
    h.contains("cannot send a coroutine", err.message)
    h.raises("transfer", tidepool.executor, {
      max_workers = 1, initializer = print, initargs = { co },
    })
  end)
end)

describe("A failing initializer", function()
  after_each(h.finish)

  local function broken_pool(g, message)
    return h.pool {
      max_workers = 2,
      initializer = function()
        gate.wait(g)
        error(message or "error in initializer")
      end,
    }
  end

  it("fails the futures that wait with kind broken and its message", function()
    local g = gate.new()
    local ex = broken_pool(g)
    local fs = {}
    for i = 1, 10 do fs[i] = ex:submit(mul, i, i) end
    gate.open(g)
    for i = 1, 10 do
      local err = h.raises("broken", fs[i].result, fs[i])
      h.contains("error in initializer", err.message)
      assert.is_true(fs[i]:done())
      assert.equal("finished", fs[i]:status())
      assert.equal("broken", fs[i]:exception().kind)
    end
  end)

  it("makes every later submit raise kind broken", function()
    local g = gate.new()
    local ex = broken_pool(g)
    gate.open(g)
    ex:submit(mul, 1, 1):wait()
    local err = h.raises("broken", ex.submit, ex, mul, 1, 1)
    h.contains("error in initializer", err.message)
    h.raises("broken", ex.map, ex, mul, { 1 }, { 1 })
  end)

  it("may raise any value", function()
    local ex = h.pool { max_workers = 1, initializer = function() error { code = 1 } end }
    local f = ex:submit(mul, 1, 1)
    h.raises("broken", f.result, f)
    ex = h.pool { max_workers = 1, initializer = function() error(nil) end }
    f = ex:submit(mul, 1, 1)
    h.raises("broken", f.result, f)
  end)

  it("may be one that cannot be loaded", function()
    local ex = h.pool { max_workers = 1, initializer = "no.such.module.fn" }
    local f = ex:submit(mul, 1, 1)
    local err = h.raises("broken", f.result, f)
    h.contains("no.such.module", err.message)
  end)

  it("ends a map with kind broken", function()
    local g = gate.new()
    local ex = broken_pool(g)
    local it_ = ex:map(mul, { 1, 2 }, { 3, 4 })
    gate.open(g)
    h.raises("broken", it_)
  end)

  it("wakes scripts that wait for several futures", function()
    local g = gate.new()
    local ex = broken_pool(g)
    local fs = { ex:submit(mul, 1, 1), ex:submit(mul, 2, 2) }
    gate.open(g)
    local done, not_done = tidepool.wait(fs)
    assert.same({ 2, 0 }, { #done, #not_done })
    for f in tidepool.as_completed(fs) do assert.equal("broken", f:exception().kind) end
  end)

  it("leaves cancelled futures cancelled", function()
    local g = gate.new()
    local ex = broken_pool(g)
    local fs = {}
    for i = 1, 4 do fs[i] = ex:submit(mul, 1, 1) end
    assert.is_true(fs[4]:cancel())
    gate.open(g)
    fs[1]:wait()
    fs[3]:exception()
    assert.is_true(fs[4]:cancelled())
  end)

  it("runs callbacks of the futures that it fails", function()
    local g, seen = gate.new(), nil
    local ex = broken_pool(g)
    local f = ex:submit(mul, 1, 1)
    f:add_done_callback(function(x) seen = x:exception().kind end)
    gate.open(g)
    f:wait()
    assert.equal("broken", seen)
  end)

  it("fails pending futures also when the executor was dropped meanwhile", function()
    local g, fs = gate.new(), {}
    do
      local ex = tidepool.executor {
        max_workers = 1,
        initializer = function()
          gate.wait(g)
          error("error in initializer")
        end,
      }
      for i = 1, 3 do fs[i] = ex:submit(mul, i, i) end
    end
    gate.arrived(g, 1)
    collectgarbage()
    collectgarbage()
    gate.open(g)
    for i = 1, 3 do
      h.contains("error in initializer", h.raises("broken", fs[i].result, fs[i]).message)
    end
  end)

  it("does not keep shutdown from ending", function()
    local g = gate.new()
    local ex = broken_pool(g)
    local f = ex:submit(mul, 1, 1)
    gate.open(g)
    assert.is_true(ex:shutdown())
    assert.equal("broken", f:exception().kind)
    assert.equal(0, ex:stats().workers)
  end)

  it("in a later worker lets the task that runs already finish", function()
    local g = gate.new()
    local ex = h.pool {
      max_workers = 2,
      initializer = function()
        if gate.add "workers" == 2 then error "error in initializer" end
      end,
    }
    local a = ex:submit(function()
      gate.wait(g)
      return "finished"
    end)
    gate.arrived(g, 1)
    local b = ex:submit(mul, 1, 1)
    h.raises("broken", b.result, b)
    gate.open(g)
    assert.equal("finished", a:result())
  end)
end)
