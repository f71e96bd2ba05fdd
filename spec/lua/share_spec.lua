-- tidepool.share: one value for all tasks, sent by reference. What its workers do with it is in
-- share_worker_spec.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local deep = require "spec.support.deep"
local gate = require "gate"
local tidepool = require "tidepool"

local share = tidepool.share

local function get(s) return s:get() end
local function nothing() end

describe("A handle", function()
  after_each(h.finish)

  it("gives the very value in the state that made it", function()
    for _, v in ipairs { 1, 1.5, "s", false, { 1 }, print, nothing, gate.light(3) } do
      assert.is_true(rawequal(v, share(v):get()))
    end
    assert.is_nil(share(nil):get())
  end)

  it("gives an equal value in a worker", function()
    local ex = h.pool(2)
    local shared = { "shared" }
    local t = { 1, 2.5, "x", { y = { false } }, a = shared, b = shared, [shared] = true }
    t.self = t
    setmetatable(t, { __index = { inherited = 1 }, __len = function() return 42 end })
    for _, v in ipairs { 1, 1.5, "s", false, t, gate.light(3), print, string } do
      local ok, where = deep.same(v, ex:submit(get, share(v)):result())
      assert.is_true(ok, where)
    end
    assert.is_nil(ex:submit(get, share(nil)):result())
    assert.equal(1, select("#", ex:submit(get, share(nil)):result()))
    local self, len, inherited, same = ex:submit(function(s)
      local v = s:get()
      return v.self == v, #v, v.inherited, v.a == v.b
    end, share(t)):result()
    assert.same({ true, 42, 1, true }, { self, len, inherited, same })
  end)

  it("gives the same value each time", function()
    local ex = h.pool(1)
    local s = share { 1 }
    assert.is_true(ex:submit(function()
      local first = s:get()
      collectgarbage()
      return first == s:get() and first == coroutine.wrap(function() return s:get() end)()
    end):result())
    ex:submit(function() s:get().seen = true end):result()
    assert.is_true(ex:submit(function() return s:get().seen end):result()) -- as documented
    assert.is_nil(s:get().seen)
  end)

  it("is sent in all ways there are", function()
    local ex = h.pool(2)
    local s = share { x = 7 }
    local p, q = tidepool.future(), tidepool.future()
    assert.equal(7, ex:submit(function() return s:get().x end):result())
    assert.equal(7, ex:submit(function(t) return t[1].deep:get().x end, { { deep = s } }):result())
    assert.equal(7, ex:submit(function(t) return next(t):get().x end, { [s] = 1 }):result())
    for _, x in ex:map(function(i, v) return i + v:get().x end, { 1, 2 }, { s, s }) do
      assert.is_true(x > 7)
    end
    p:set_result(s)
    q:set_exception(s)
    assert.equal(7, ex:submit(function(f) return f:result():get().x end, p):result())
    assert.equal(7, ex:submit(function(f) return f:exception():get().x end, q):result())
    local nested = ex:submit(function()
      local other <close> = require "tidepool".executor(1)
      return other:submit(function() return s:get().x end):result()
    end)
    assert.equal(7, nested:result())
  end)

  it("is the same one though a module has it, which the worker would load anew", function()
    local ex = h.pool(1)
    local handle, future = share { 7 }, tidepool.future()
    future:set_result(8)
    local extended = require "spec.support.extended" -- nothing was sent since it is there
    extended.handle, extended.future = handle, future
    assert.equal(7, ex:submit(get, extended.handle):result()[1])
    assert.equal(8, ex:submit(function(f) return f:result() end, extended.future):result())
    extended.handle, extended.future = nil, nil
  end)

  it("comes back as what it was", function()
    local ex = h.pool(1)
    local t = { 1 }
    local s = share(t)
    local back = ex:submit(function() return s end):result()
    assert.is_true(rawequal(s, back))
    assert.equal(t, back:get())
  end)

  it("is a word and an address, and equal to itself only", function()
    local a, b = share(1), share(1)
    assert.matches("^tidepool%.share: 0?x?%x+$", tostring(a))
    assert.equal(a, a)
    assert.are_not.equal(a, b)
    assert.are_not.equal(tostring(a), tostring(b))
    assert.equal("share", core.type(a))
    assert.same({ true, false, tostring(a) }, { h.pool(1):submit(function(x, y, z)
      return rawequal(x, y), x == z, tostring(x)
    end, a, a, b):result() })
  end)

  it("may hold futures, executors and other handles", function()
    local ex = h.pool(2)
    local f = ex:submit(math.abs, -3)
    local inner = share { "inner" }
    local s = share { f = f, ex = ex, inner = inner }
    local n, same, word = ex:submit(function(v)
      v = v:get()
      return v.f:result(), v.ex == v.ex, v.inner:get()[1]
    end, s):result()
    assert.same({ 3, true, "inner" }, { n, same, word })
    assert.equal(inner, ex:submit(function(v) return v:get().inner end, s):result())
  end)

  it("refuses wrong calls", function()
    h.fails("bad argument #1", share)
    h.fails("calling 'get' on bad self (tidepool.share expected, got number)", share(1).get, 1)
    local s = share(1)
    debug.getmetatable(s).__gc(s)
    h.fails("the share is collected already", s.get, s)
    h.contains("collected", tostring(s))
    assert.equal("cannot send this tidepool.share", h.raises("transfer",
      function() return share(s) end).message:match "cannot.*")
  end)
end)

describe("A value that cannot be shared", function()
  after_each(h.finish)

  local function refusal(value) return h.raises("transfer", share, value).message end

  it("is refused with the way to it", function()
    assert.equal("shared value: cannot send a coroutine", refusal(coroutine.create(print)))
    assert.equal("shared value, field a.b[2]: cannot send a coroutine",
      refusal { a = { b = { 1, coroutine.create(print) } } })
    assert.equal("shared value, upvalue co: cannot send a coroutine", (function()
      local co = coroutine.create(print)
      return refusal(function() return co end)
    end)())
    assert.equal("shared value: cannot send a userdata", refusal(gate.userdata()))
  end)

  it("is refused at that line", function()
    local ok, err = pcall(function() return share(coroutine.create(print)) end)
    assert.is_false(ok)
    h.contains("share_spec.lua:", tostring(err))
  end)
end)

describe("A value that cannot be rebuilt", function()
  after_each(h.finish)

  local function rebuilt_by(name, ...)
    local args = table.pack(...)
    return setmetatable({}, { __transfer = function()
      return name, table.unpack(args, 1, args.n)
    end })
  end

  it("fails the get, and that one only", function()
    local ex = h.pool(1)
    local s = share { rebuilt_by("no_such_module.f") }
    local function try() return pcall(s.get, s) end
    for _ = 1, 2 do
      local ok, err = ex:submit(try):result()
      assert.is_false(ok)
      assert.equal("transfer", tidepool.error_kind(err))
      h.contains("module 'no_such_module' not found", err.message)
    end
    assert.equal("transfer", tidepool.error_kind(ex:submit(get, s):exception()))
    assert.equal(1, ex:submit(get, share(1)):result())
    local t = s:get()
    assert.equal("table", type(t[1]))
  end)

  it("is tried again", function()
    local ex = h.pool(1)
    local s = share { rebuilt_by("spec.support.sample.fail_once", "tries", 7) }
    assert.equal("cannot rebuild the shared value: not yet", ex:submit(get, s):exception().message)
    assert.same({ 7 }, ex:submit(get, s):result())
    assert.same({ 7 }, ex:submit(get, s):result())
    assert.equal(2, gate.get "tries")
  end)

  it("because what rebuilds it reads it, says so", function()
    local ex = h.pool(1)
    local s = share { rebuilt_by("spec.support.sample.within") }
    local err, again = ex:submit(function()
      function _G.within() return select(2, pcall(s.get, s)) end
      return s:get()[1], pcall(s.get, s)
    end):result()
    assert.equal("transfer", tidepool.error_kind(err))
    h.contains("being rebuilt", err.message)
    assert.is_true(again) -- that get came to its end
  end)

  it("because what rebuilds it yields, can be tried again", function()
    local ex = h.pool(1)
    local s = share { rebuilt_by("spec.support.sample.within") }
    local ok, err, value = ex:submit(function()
      _G.within = coroutine.yield
      local ok, err = coroutine.resume(coroutine.create(s.get), s)
      function _G.within() return 7 end
      return ok, err, s:get()
    end):result()
    assert.is_false(ok)
    h.contains("yield", err.message)
    assert.same({ 7 }, value)
  end)

  it("reads other shares while it is rebuilt", function()
    local ex = h.pool(1)
    local other = share { 7 }
    local s = share { rebuilt_by("spec.support.sample.within") }
    assert.same({ { 7 } }, ex:submit(function()
      function _G.within() return other:get() end
      return s:get()
    end):result())
  end)
end)

describe("A shared function", function()
  after_each(h.finish)

  it("keeps its upvalues, from task to task of a worker", function()
    local ex = h.pool(1)
    local n = 0
    local s = share {
      up = function()
        n = n + 1
        return n
      end,
      now = function() return n end,
    }
    for i = 1, 3 do
      assert.equal(i, ex:submit(function() return s:get().up() end):result())
      assert.equal(i, ex:submit(function() return s:get().now() end):result())
    end
    assert.equal(0, n)
  end)

  it("has the globals that it names, as they were when it was shared", function()
    local ex = h.pool(1)
    _G.factor = 2
    function _G.times(x) return x * factor end -- luacheck: ignore 113
    local s = share(function(x) return times(x) end) -- luacheck: ignore 113
    local function call() return s:get()(21) end
    assert.equal(42, ex:submit(call):result())
    _G.factor = 3
    assert.equal(3, ex:submit(function() return factor end):result()) -- luacheck: ignore 113
    assert.equal(42, ex:submit(call):result())
    local function mine() return factor, times end -- luacheck: ignore 113
    _G.factor, _G.times = nil, nil
    assert.same({ nil, nil }, { ex:submit(mine):result() })
    assert.equal(42, ex:submit(call):result())
    local back = ex:submit(function() return s:get() end):result()
    assert.equal(42, back(21))
    _G.factor, _G.times = nil, nil -- came back with it
  end)

  it("has them also through an upvalue that holds the table of globals", function()
    local ex, G = h.pool(1), _G
    _G.factor, _G.times = 2, 3
    local s = share(function() return G.factor * times end) -- luacheck: ignore 113
    assert.equal(6, ex:submit(function() return s:get()() end):result())
    _G.factor, _G.times = nil, nil
    assert.equal(6, ex:submit(function() return s:get()() end):result())
  end)

  it("changes its own globals only", function()
    local ex = h.pool(1)
    _G.count = 0
    local s = share(function()
      count = count + 1 -- luacheck: ignore
      return count -- luacheck: ignore 113
    end)
    _G.count = nil
    assert.equal(1, ex:submit(function() return s:get()() end):result())
    assert.same({ 2, nil }, { ex:submit(function()
      return s:get()(), rawget(_G, "count")
    end):result() })
  end)

  it("sees what the worker has for itself", function()
    local ex = h.pool { max_workers = 1, initializer = function()
      _G.settings = "the worker's"
      _G.other = "other"
    end }
    _G.settings = "the script's"
    local s = share(function() return settings, other, type(print) end) -- luacheck: ignore 113
    _G.settings = nil
    assert.same({ "the worker's", "other", "function" },
      { ex:submit(function() return s:get()() end):result() })
  end)

  it("defines a new global in the worker", function()
    local ex = h.pool(1)
    _G.known = true
    local s = share(function() fresh = known end) -- luacheck: ignore
    _G.known = nil
    ex:submit(function() s:get()() end):result()
    assert.is_true(ex:submit(load "return fresh"):result())
  end)
end)

describe("A program that shares", function()
  after_each(h.finish)

  it("ends well, whatever it leaves", function()
    assert.equal("7\nended\n", h.runs [[
      local tidepool = require "tidepool"
      local ex = tidepool.executor(2)
      local t = { 7 }
      kept = tidepool.share(t)
      t.me = kept
      print(ex:submit(function() return kept:get()[1] end):result())
      setmetatable({}, { __gc = function() print(kept:get()[1] == 7 and "ended") end })
    ]])
  end)

  it("may end in the middle", function()
    assert.equal("", h.runs([[
      local tidepool = require "tidepool"
      local ex = tidepool.executor(2)
      local s = tidepool.share { 1 }
      for _ = 1, 100 do ex:submit(function() return s:get() end) end
      os.exit(0, true)
    ]]))
  end)
end)

describe("A share used as if it were its value", function()
  after_each(h.finish)

  it("raises at that line, and names the way out", function()
    local words = tidepool.share { x = { 7 }, [1] = "one" }
    local function fails(text, fn)
      local err = h.fails(text, fn)
      assert.matches("^[^:]*share_spec%.lua:%d+: ", err)
    end
    fails("share:get().x", function() return words.x end)
    fails("share:get().gte", function() return words:gte() end)
    fails("share:get()[1]", function() return words[1] end)
    fails("share:get()", function() return words[{}] end)
    fails("tidepool.share(value)", function() words.x = 1 end)
    fails("pairs(share:get())", function() for _ in pairs(words) do error "not reached" end end)
    fails("share:get()[1]", function() for _ in ipairs(words) do error "not reached" end end)
    fails("attempt to get length of a tidepool.share value", function() return #words end)
    fails("attempt to call a tidepool.share value", function() return words() end)
    assert.equal(7, words:get().x[1])
  end)

  it("raises in a task too", function()
    local words = tidepool.share { x = 1 }
    h.contains("share:get().x", h.pool(1):submit(function() return words.x end):exception())
  end)
end)
