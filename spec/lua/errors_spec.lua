-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function park(g) gate.wait(g) end

-- Checks that the pool still works.
local function assert_alive(ex)
  assert.equal(42, ex:submit(function(x, y) return x * y end, 6, 7):result())
end

describe("A task's error", function()
  after_each(h.finish)

  it("is raised by result, given by exception and pcall, with its position", function()
    local ex = h.pool(1)
    local f = ex:submit(function() error "on purpose" end)
    local ok, err = pcall(f.result, f)
    assert.is_false(ok)
    assert.matches("errors_spec.lua:%d+: on purpose$", err)
    assert.equal(err, f:exception())
    assert.same({ false, err }, { f:pcall() })
    assert_alive(ex)
  end)

  it("keeps its value unchanged: tables, numbers, strings, booleans", function()
    local ex = h.pool(1)
    local values = { { code = 7, list = { 1, 2.5 } }, 42, 42.0, "", "a\0b", true, false, math.huge }
    for _, value in ipairs(values) do
      local f = ex:submit(error, value, 0)
      assert.same(value, f:exception())
      assert.equal(math.type(value), math.type(f:exception()))
      local ok, err = pcall(f.result, f)
      assert.is_false(ok)
      assert.same(value, err)
    end
    assert_alive(ex)
  end)

  it("is unchanged if its __tostring raises, yields or is no function", function()
    local ex = h.pool(1)
    for _, tostr in ipairs { function() error "inner" end, coroutine.yield, 5, function() end } do
      local f = ex:submit(function() error(setmetatable({ code = 7 }, { __tostring = tostr })) end)
      assert.equal(7, f:exception().code)
      h.contains("(error object is a table value)", f:traceback())
    end
    assert_alive(ex)
  end)

  it("keeps a metatable that is sent by name", function()
    local sample = require "spec.support.sample"
    local f = h.pool(1):submit(function() error(sample.point(3, 4)) end)
    assert.equal(sample.Point, getmetatable(f:exception()))
    assert.equal(5.0, f:exception():length())
  end)

  it("of nil is \"<no error object>\" for exception, and nil for result and pcall", function()
    local ex = h.pool(1)
    local f = ex:submit(function() error(nil) end)
    assert.equal("<no error object>", f:exception())
    assert.same({ false, n = 2 }, table.pack(pcall(f.result, f)))
    assert.same({ false, n = 2 }, table.pack(f:pcall()))
    assert.equal("string", type(f:traceback()))
    assert_alive(ex)
  end)

  it("of false is false everywhere", function()
    local ex = h.pool(1)
    local f = ex:submit(function() error(false) end)
    assert.equal(false, f:exception())
    assert.same({ false, false }, { pcall(f.result, f) })
    assert.same({ false, false }, { f:pcall() })
    assert_alive(ex)
  end)

  it("may be a stack overflow", function()
    local ex = h.pool(1)
    local function recurse() return 1 + recurse() end
    local f = ex:submit(recurse)
    h.contains("stack overflow", f:exception())
    local function endless(s) return (s:gsub(".", endless)) end
    h.contains("overflow", tostring(ex:submit(endless, "x"):exception()))
    assert_alive(ex)
  end)

  it("may be coroutine.yield outside of a coroutine", function()
    local ex = h.pool(1)
    local f = ex:submit(function() coroutine.yield(1) end)
    h.contains("attempt to yield from outside a coroutine", f:exception())
    h.contains("yield", ex:submit(coroutine.yield, 1):exception())
    assert_alive(ex)
  end)

  it("does not keep coroutines from working inside a task", function()
    local f = h.pool(1):submit(function()
      local co = coroutine.wrap(function() coroutine.yield(1) end)
      return co()
    end)
    assert.equal(1, f:result())
  end)

  it("may be an error object of the library", function()
    local ex, p = h.pool(1), tidepool.future()
    p:cancel()
    local f = ex:submit(function() return p:result() end)
    local err = f:exception()
    assert.equal("cancelled", tidepool.error_kind(err))
    assert.equal("cancelled", err.kind)
    assert.is_false(f:cancelled())
  end)

  it("may come from running out of memory for one string", function()
    local ex = h.pool(1)
    local f = ex:submit(string.rep, "x", math.maxinteger)
    h.contains("resulting string too large", f:exception())
    assert_alive(ex)
  end)

  it("closes the to-be-closed variables of the task first", function()
    local f = h.pool(1):submit(function()
      local _ <close> = setmetatable({}, { __close = function() gate.add "closed" end })
      error "x"
    end)
    f:exception()
    assert.equal(1, gate.get "closed")
  end)
end)

describe("A task that cannot be loaded", function()
  after_each(h.finish)

  it("fails its own future (no such module)", function()
    local ex = h.pool(1)
    local f = ex:submit("no.such.module.fn")
    local err = f:exception()
    h.contains("no.such.module", tostring(err))
    assert.is_true(f:done())
    assert_alive(ex)
  end)

  it("fails its own future (no such function)", function()
    local ex = h.pool(1)
    h.contains("no_such", tostring(ex:submit("string.no_such"):exception()))
    h.contains("nodot", tostring(select(2, pcall(function()
      return ex:submit("nodot"):result()
    end))))
    assert_alive(ex)
  end)

  it("fails its own future (a module that raises)", function()
    local ex = h.pool(1)
    local f = ex:submit("spec.support.broken.fn")
    h.contains("this module is broken", tostring(f:exception()))
    assert_alive(ex)
  end)
end)

describe("A result or error value that cannot be sent", function()
  after_each(h.finish)

  it("fails its own future with kind transfer and the path", function()
    local ex = h.pool(1)
    local f = ex:submit(function() return 1, { cfg = { handle = coroutine.create(print) } } end)
    local err = f:exception()
    assert.equal("transfer", tidepool.error_kind(err))
    assert.equal("result 2, field cfg.handle: cannot send a coroutine", err.message)
    h.raises("transfer", f.result, f)
    assert_alive(ex)
  end)

  it("fails its own future if the error value is what cannot be sent", function()
    local ex = h.pool(1)
    local f = ex:submit(function() error { bad = coroutine.create(print) } end)
    local err = f:exception()
    assert.equal("transfer", tidepool.error_kind(err))
    h.contains("field bad: cannot send a coroutine", err.message)
    assert_alive(ex)
  end)

  it("fails its own future if a __transfer of it raises", function()
    local ex = h.pool(1)
    local f = ex:submit(function()
      return setmetatable({}, { __transfer = function() error "will not travel" end })
    end)
    h.contains("will not travel", tostring(f:exception()))
    assert_alive(ex)
  end)

  it("gives way to what its __transfer raises, if it is the error value", function()
    local ex = h.pool(1)
    local function fail(why)
      error(setmetatable({}, { __transfer = function() error(why, 0) end }))
    end
    assert.equal("not today", ex:submit(fail, "not today"):exception())
    local f = ex:submit(function()
      fail(setmetatable({}, { __transfer = function() error "nor this" end }))
    end)
    assert.equal("transfer", tidepool.error_kind(f:exception()))
    assert_alive(ex)
  end)

  it("fails its own future if it cannot be rebuilt by the owner", function()
    local ex = h.pool(1)
    local f = ex:submit(function()
      return setmetatable({}, { __transfer = function() return "no.such.module.fn" end })
    end)
    local ok, err = pcall(f.result, f)
    assert.is_false(ok)
    h.contains("no.such.module", tostring(err))
    assert.is_true(f:done())
    assert_alive(ex)
  end)
end)

describe("An argument that cannot be rebuilt in the worker", function()
  after_each(h.finish)

  it("fails that one future", function()
    local ex = h.pool(1)
    local bad = setmetatable({}, { __transfer = function()
      return "spec.support.sample.refuse", "will not be rebuilt"
    end })
    local f = ex:submit(print, bad)
    h.contains("will not be rebuilt", tostring(f:exception()))
    assert_alive(ex)
  end)
end)

describe("f:traceback", function()
  after_each(h.finish)

  local function inner() error "deep inside" end
  local function outer()
    local x = inner()
    return x
  end

  it("is the worker's traceback of a failed task", function()
    local f = h.pool(1):submit(outer)
    f:wait()
    local text = f:traceback()
    h.contains("stack traceback:", text)
    h.contains("errors_spec.lua", text)
    h.contains("inner", text)
    f:exception()
  end)

  it("is there for error values of any type", function()
    for _, value in ipairs { { 1 }, false, 42 } do
      local f = h.pool(1):submit(function() error(value) end)
      f:exception()
      h.contains("errors_spec.lua", f:traceback())
    end
  end)

  it("is nil for tasks that succeeded, are not done, or were cancelled", function()
    local ex, g = h.pool(1), gate.new()
    local a, b = ex:submit(park, g), ex:submit(park, g)
    gate.arrived(g, 1)
    assert.is_nil(a:traceback())
    b:cancel()
    assert.is_nil(b:traceback())
    gate.open(g)
    a:result()
    assert.is_nil(a:traceback())
  end)
end)

describe("A failed future whose error was never read", function()
  after_each(h.finish)

  local function warnings_after(read)
    gate.warnings()
    local ex = h.pool(1)
    local f = ex:submit(function() error "dropped" end)
    h.eventually(function() return f:done() end, "done")
    if read then read(f) end
    f = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    return table.concat(gate.warnings(), "\n")
  end

  it("is reported through warn when it is collected, with its traceback", function()
    local text = warnings_after()
    h.contains("a task failed and its error was never read", text)
    h.contains("stack traceback:", text)
  end)

  it("is reported though the collector came before it failed", function()
    gate.warnings()
    local ex, g = h.pool(1), gate.new()
    ex:submit(function() gate.wait(g) error "dropped" end)
    ex:submit(function() end)
    ex:submit(function() error "nor here" end)
    for _ = 1, 3 do collectgarbage() end
    assert.same({}, gate.warnings())
    gate.open(g)
    ex:shutdown()
    collectgarbage()
    collectgarbage()
    local text = table.concat(gate.warnings(), "\n")
    h.contains("a task failed and its error was never read", text)
    h.contains("nor here", text)
  end)

  it("is not reported if its error was read", function()
    assert.equal("", warnings_after(function(f) f:exception() end))
    assert.equal("", warnings_after(function(f) f:pcall() end))
    assert.equal("", warnings_after(function(f) pcall(f.result, f) end))
  end)

  it("is still reported after a wait alone", function()
    h.contains("a task failed and its error was never read",
      warnings_after(function(f) f:wait() end))
  end)

  it("is not reported if it was cancelled or succeeded", function()
    gate.warnings()
    local ex, g = h.pool(1), gate.new()
    ex:submit(park, g)
    ex:submit(park, g):cancel()
    gate.open(g)
    ex:shutdown()
    collectgarbage()
    collectgarbage()
    assert.same({}, gate.warnings())
  end)

  it("prints nothing on stderr while warnings are off", function()
    assert.equal("", h.runs [[
      local ex = require "tidepool".executor(1)
      ex:submit(error, "quiet")
      ex:shutdown()
      collectgarbage()
    ]])
  end)
end)

describe("Error objects of the library", function()
  after_each(h.finish)

  it("have kind and message, and a tostring that says both", function()
    local p = h.promises()
    local err = h.raises("timeout", p.pending.result, p.pending, 0)
    assert.equal("table", type(err))
    h.contains(err.message, tostring(err))
    local text = tostring(h.raises("cancelled", p.cancelled.result, p.cancelled))
    h.contains("cancelled", text)
  end)

  it("are distinguished from all other values by error_kind", function()
    for _, value in ipairs { 1, "timeout", { kind = "timeout", message = "x" }, print, true } do
      assert.is_nil(tidepool.error_kind(value))
    end
    assert.is_nil(tidepool.error_kind(nil))
  end)

  it("keep their identity through a task", function()
    local p = h.promises()
    local err = h.raises("timeout", p.pending.result, p.pending, 0)
    local back, kind = h.pool(1):submit(function(e)
      return e, require "tidepool".error_kind(e)
    end, err):result()
    assert.equal("timeout", kind)
    assert.equal("timeout", tidepool.error_kind(back))
    assert.equal(err.message, back.message)
    assert.equal(getmetatable(err), getmetatable(back))
  end)
end)

describe("An error of the library", function()
  after_each(h.finish)

  it("tells the line of the script that called, in tostring alone", function()
    local ex = h.pool(1)
    local line = debug.getinfo(1, "l").currentline
    local ok, err = pcall(function() return ex:submit(print, coroutine.create(print)) end)
    assert.is_false(ok)
    assert.equal("argument 1: cannot send a coroutine", err.message)
    assert.equal(("errors_spec.lua:%d: %s"):format(line + 1, err.message),
      tostring(err):match("[^/]*$"))
    ok, err = pcall(function() return ex:map(print, { coroutine.create(print) }) end)
    assert.is_false(ok)
    h.contains(("errors_spec.lua:%d: "):format(line + 6), tostring(err))
  end)
end)
