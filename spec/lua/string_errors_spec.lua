-- Errors of the library as strings, for programs that print with lua_tostring.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, before_each, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

-- Asserts that err is a string with a place of this file, those words and that kind. Returns it.
local function is(kind, words, err)
  assert.equal("string", type(err))
  assert.matches("^spec/lua/string_errors_spec%.lua:%d+: ", err)
  h.contains(words, err)
  assert.equal((" (tidepool: %s)"):format(kind), err:match " %(tidepool: [%w_]+%)$")
  assert.equal(kind, tidepool.error_kind(err))
  return err
end

local function raises(kind, words, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return is(kind, words, err)
end

local function finish()
  tidepool.string_errors(false)
  h.finish()
end

describe("tidepool.string_errors", function()
  after_each(finish)

  it("tells what was so before, and changes nothing without an argument", function()
    assert.is_false(tidepool.string_errors())
    assert.is_false(tidepool.string_errors(true))
    assert.is_true(tidepool.string_errors())
    assert.is_true(tidepool.string_errors(true))
    assert.is_true(tidepool.string_errors(false))
    assert.is_false(tidepool.string_errors(nil))
    h.fails("boolean expected, got number", tidepool.string_errors, 1)
    h.raises("timeout", function() tidepool.future():result(0) end)
  end)

  it("is of one state: workers have tables still", function()
    tidepool.string_errors(true)
    local kind, type_ = h.pool(1):submit(function()
      local tide = require "tidepool"
      local _, err = pcall(function() tide.future():result(0) end)
      return tide.error_kind(err), type(err)
    end):result()
    assert.same({ "timeout", "table" }, { kind, type_ })
  end)
end)

describe("As strings, errors", function()
  before_each(function() tidepool.string_errors(true) end)
  after_each(finish)

  it("have the place, the words and the kind", function()
    local ex = h.pool { max_workers = 1, max_queue = 1, on_full = "error" }
    raises("timeout", "not done after", function() tidepool.future():result(0) end)
    local p = tidepool.future()
    p:cancel()
    raises("cancelled", "the future was cancelled", function() p:result() end)
    raises("invalid_state", "is done already", function() p:set_result(1) end)
    raises("transfer", "argument 1, field x: cannot send a coroutine", function()
      ex:submit(print, { x = coroutine.create(print) })
    end)
    local g = gate.new()
    ex:submit(gate.wait, g)
    gate.arrived(g, 1)
    ex:submit(gate.wait, g)
    raises("full", "the queue is full", function() ex:submit(print) end)
    gate.open(g)
    ex:shutdown()
    raises("shutdown", "is shut down", function() ex:submit(print) end)
    raises("timeout", "1 (of 1) futures unfinished", function()
      tidepool.as_completed({ tidepool.future() }, 0)()
    end)
  end)

  it("are those of outcomes, too", function()
    local ex = h.pool { max_workers = 1, time_limit = 0.01 }
    local f = ex:submit(function() while true do end end)
    is("time_limit", "longer than its time limit", f:exception())
    is("time_limit", "longer than its time limit", select(2, f:pcall()))
    raises("time_limit", "longer than its time limit", function() f:result() end)
    local sent = h.pool(1):submit(function() return coroutine.create(print) end)
    is("transfer", "result 1: cannot send a coroutine", sent:exception())
    local broken = h.pool { initializer = function() error "no" end }
    f = broken:submit(print)
    is("broken", "the initializer failed: ", f:exception())
    f = tidepool.future()
    f:cancel()
    is("cancelled", "cancelled", select(2, f:pcall()))
  end)

  it("are those of maps, with their items", function()
    local ex = h.pool(1)
    raises("transfer", "item 2: cannot send a coroutine", function()
      ex:map(print, { 1, coroutine.create(print) })
    end)
    raises("transfer", "item 2, argument 2, field a: cannot send a coroutine", function()
      ex:map(print, { 1, 2, 3 }, { 1, { a = coroutine.create(print) }, 3 })
    end)
    raises("transfer", "result 1: cannot send a coroutine", function()
      ex:map(function() return coroutine.create(print) end, { 1, 2 }):collect()
    end)
    local view = ex:with { chunksize = 2 }
    local map = view:map(function(x)
      if x == 2 then require "tidepool".future():result(0) end
      return x
    end, { 1, 2, 3, 4 })
    assert.same({ 1, 1 }, { map() })
    local ok, err = pcall(map)
    assert.is_false(ok)
    is("timeout", "not done after", err)
  end)

  it("arrive as strings from workers, wherever they are in a value", function()
    local ex = h.pool(1)
    local function late() require "tidepool".future():result(0) end
    is("timeout", "not done after", ex:submit(late):exception())
    local list, again, key = ex:submit(function(fn)
      local _, err = pcall(fn)
      local list = { err, { err } }
      return list, err, next { [err] = true }
    end, late):result()
    is("timeout", "not done after", list[1])
    assert.equal(list[1], list[2][1])
    assert.equal(list[1], again)
    assert.equal(list[1], key)
    local value = ex:submit(function() return { kind = "timeout", message = "mine" } end):result()
    assert.same({ kind = "timeout", message = "mine" }, value)
  end)

  it("are known in a state that has tables", function()
    local ex = h.pool(1)
    local _, err = pcall(function() tidepool.future():result(0) end)
    local p = tidepool.future()
    p:set_exception(err)
    local kind, type_, same = ex:submit(function(given, future)
      local tide = require "tidepool"
      return tide.error_kind(given), type(given), future:exception() == given
    end, err, p):result()
    assert.same({ "timeout", "string", true }, { kind, type_, same })
    tidepool.string_errors(false)
    assert.equal("timeout", tidepool.error_kind(err))
  end)

  it("of a worker that wants strings are strings, and end tasks as ever", function()
    local ex = h.pool {
      max_workers = 1,
      initializer = function() require "tidepool".string_errors(true) end,
    }
    tidepool.string_errors(false)
    local text, kind = ex:submit(function()
      local tide = require "tidepool"
      local _, err = pcall(function() tide.future():result(0) end)
      return err, tide.error_kind(err)
    end):result()
    is("timeout", "not done after", text)
    assert.equal("timeout", kind)
    local f = ex:submit(function() return coroutine.create(print) end)
    assert.equal("result 1: cannot send a coroutine", h.raises("transfer", f.result, f).message)
    f = ex:submit(function() error { deep = coroutine.create(print) } end)
    h.contains("error value, field deep: cannot send",
      h.raises("transfer", f.result, f).message)
    f = ex:submit(function(err) return require "tidepool".error_kind(err), type(err) end,
      h.raises("timeout", function() tidepool.future():result(0) end))
    assert.same({ "timeout", "string" }, { f:result() })
    f = ex:submit(function() while true do end end)
    h.eventually(function() return f:running() end, "the task")
    f:interrupt()
    assert.equal("interrupted", tidepool.error_kind(f:exception()))
  end)

  it("are found with words before them, and need no memory", function()
    local _, err = pcall(function() tidepool.future():result(0) end)
    assert.equal("timeout", tidepool.error_kind("cannot fetch: " .. err))
    local f = tidepool.future()
    local function fail(i) f:result(i * -1e-9) end
    do
      local texts = {}
      for i = 1, 5000 do
        local ok, text = pcall(load("local f, i = ... f(i)", "=line" .. i), fail, i)
        assert.is_false(ok)
        texts[i] = text
      end
      for i = 1, 5000, 100 do assert.equal("timeout", tidepool.error_kind(texts[i])) end
    end
    local before
    for round = 1, 3 do
      for i = 1, 20000 do pcall(load("local f, i = ... f(i)", "=x" .. round * i), fail, i) end
      collectgarbage()
      collectgarbage()
      if round > 1 then assert.is_true(collectgarbage "count" < before + 500) end
      before = collectgarbage "count"
    end
  end)

  it("of others are nothing of ours", function()
    for _, text in ipairs { "", ")", "timeout", "(tidepool: timeout)", "x (tidepool: )",
      "x (tidepool: nothing)", "x (tidepool: timeout", "x (tidepool: timeout) y",
      " (tidepool: error)" } do
      assert.is_nil(tidepool.error_kind(text))
    end
    assert.equal("no", h.pool(1):submit(error, "no", 0):exception())
    h.fails("bad argument #1", function() h.pool(1):submit(1) end)
  end)

  it("are in warnings as they are", function()
    local r = h.run_script([[
      local tidepool = require "tidepool"
      tidepool.string_errors(true)
      local p = tidepool.future()
      p:add_done_callback(function() tidepool.future():result(0) end)
      p:set_result()
      local ex <close> = tidepool.executor(1)
      ex:submit(function() return coroutine.create(print) end):wait()
      collectgarbage() collectgarbage()
      tidepool.future():result(0)]], { flags = "-W" })
    assert.equal(1, r.status)
    h.contains("error in done callback: ", r.stderr)
    h.contains("not done after 0.0 seconds (tidepool: timeout)", r.stderr)
    h.contains("cannot send a coroutine", r.stderr)
    assert.matches("lua[^:]*: [^\n]*:9: the future is not done after", r.stderr)
  end)
end)
