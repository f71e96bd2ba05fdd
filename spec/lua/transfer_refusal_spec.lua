-- What cannot be sent raises at the submit and names the path to the value.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"

local function new_coroutine() return coroutine.create(print) end

local function refusal(...)
  local ex = h.pool(1)
  local err = h.raises("transfer", ex.submit, ex, ...)
  assert.equal(0, ex:stats().submitted)
  assert.equal(1, ex:submit(function() return 1 end):result())
  return err.message
end

describe("A refusal names the path:", function()
  after_each(h.finish)

  it("the argument", function()
    assert.equal("argument 1: cannot send a coroutine", refusal(print, new_coroutine()))
    assert.equal("argument 3: cannot send a coroutine", refusal(print, 1, 2, new_coroutine()))
  end)

  it("its middle steps are left out only if it is long", function()
    local function deep(levels)
      local v = new_coroutine()
      for _ = 1, levels do v = { v } end
      return refusal(print, v)
    end
    assert.equal("argument 1, field " .. ("[1]"):rep(15) .. ": cannot send a coroutine", deep(15))
    assert.equal("argument 1, field " .. ("[1]"):rep(11) .. " ... " .. ("[1]"):rep(4)
      .. ": cannot send a coroutine", deep(16))
  end)

  it("fields within fields", function()
    assert.equal("argument 2, field cfg.handle: cannot send a coroutine",
      refusal(print, 1, { cfg = { handle = new_coroutine() } }))
  end)

  it("list items and odd keys", function()
    h.contains("[2]", refusal(print, { "x", new_coroutine() }))
    h.contains("rows[3].co", refusal(print, { rows = { 1, 2, { co = new_coroutine() } } }))
    h.contains("not a name", refusal(print, { ["not a name"] = new_coroutine() }))
    h.contains("true", refusal(print, { [true] = new_coroutine() }))
  end)

  it("a key", function()
    local text = refusal(print, { [new_coroutine()] = 1 })
    h.contains("argument 1", text)
    h.contains("key", text)
    h.contains("cannot send a coroutine", text)
  end)

  it("an upvalue of the function", function()
    local co = new_coroutine()
    local text = refusal(function() return co end)
    h.contains("upvalue co: cannot send a coroutine", text)
  end)

  it("an upvalue of a function within a field", function()
    local handle = { co = new_coroutine() }
    local text = refusal(print, { callback = function() return handle end })
    h.contains("argument 1, field callback, upvalue handle, field co: cannot send", text)
  end)

  it("a metatable", function()
    local text = refusal(print, setmetatable({}, { __index = { x = new_coroutine() } }))
    h.contains("argument 1, metatable", text)
    h.contains("__index.x: cannot send a coroutine", text)
  end)

  it("what a __transfer gave", function()
    local x = setmetatable({}, { __transfer = function()
      return "spec.support.sample.rebuild", new_coroutine()
    end })
    local text = refusal(print, x)
    h.contains("__transfer", text)
    h.contains("cannot send a coroutine", text)
  end)
end)

describe("Refused are", function()
  after_each(h.finish)

  it("coroutines, the running one too", function()
    h.contains("cannot send a coroutine", refusal(print, (coroutine.running())))
  end)

  it("userdata without __transfer", function()
    h.contains("cannot send a userdata", refusal(print, gate.userdata()))
    local u = gate.userdata()
    debug.setmetatable(u, { __name = "gate.thing" })
    h.contains("gate.thing", refusal(print, u))
  end)

  it("open files", function()
    local f = assert(io.tmpfile())
    h.contains("argument 1: cannot send", refusal(print, f))
    f:close()
  end)

  it("a __transfer that gives no name", function()
    for _, answer in ipairs { false, 42, {} } do
      local x = setmetatable({}, { __transfer = function() return answer end })
      h.contains("__transfer", refusal(print, x))
    end
  end)

  it("a list whose elements a __transfer removes", function()
    local t = {}
    for i = 1, 64 do t[i] = i end
    t[5] = setmetatable({}, { __transfer = function()
      for i = 1, 64 do
        if i ~= 5 then t[i] = nil end
      end
      for i = 1, 100 do t["key" .. i] = i end
      return "spec.support.sample.rebuild", 1
    end })
    h.contains("argument 1: the table was changed while it was sent", refusal(print, t))
  end)

  it("a __transfer that raises, with its own error", function()
    local ex = h.pool(1)
    local x = setmetatable({}, { __transfer = function() error("not today", 0) end })
    local ok, err = pcall(ex.submit, ex, print, x)
    assert.is_false(ok)
    h.contains("not today", tostring(err))
    assert.equal(0, ex:stats().submitted)
  end)
end)
