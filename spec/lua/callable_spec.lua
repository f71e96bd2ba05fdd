-- Tables and userdata that have __call, wherever a function may be given.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local tidepool = require "tidepool"

-- An object that multiplies by its factor.
local Times = {}
Times.__index = Times
Times.__call = function(self, x) return self.factor * x end
local function times(factor) return setmetatable({ factor = factor }, Times) end

-- An object whose __call is itself callable, as Lua allows.
local nested = setmetatable({ factor = 10 }, {
  __call = setmetatable({}, { __call = function(_, self, x) return self.factor * x end }),
})

describe("A callable table", function()
  after_each(h.finish)

  it("is a task", function()
    local ex = h.pool(1)
    assert.equal(21, ex:submit(times(3), 7):result())
    assert.equal(21, ex:with { priority = 1 }:submit(times(3), 7):result())
    assert.equal(70, ex:submit(nested, 7):result())
  end)

  it("is copied for each task", function()
    local counter = setmetatable({ n = 0 }, { __call = function(self)
      self.n = self.n + 1
      return self.n
    end })
    local ex = h.pool(1)
    assert.equal(1, ex:submit(counter):result())
    assert.equal(1, ex:submit(counter):result())
    assert.equal(0, counter.n)
  end)

  it("is a map's function, for few and for many items", function()
    local ex = h.pool(2)
    for _, n in ipairs { 3, 1000 } do
      local items = {}
      for i = 1, n do items[i] = i end
      local out = ex:map(times(2), items):collect()
      assert.equal(n, out.n)
      assert.equal(2 * n, out[n])
      assert.equal(2, ex:with { chunksize = 10 }:map(times(2), items):collect()[1])
    end
    local objects = ex:with { chunksize = 2 }:map(nested, { 1, 2, 3 }):collect()
    assert.same({ 10, 20, 30, n = 3 }, objects)
  end)

  it("is an initializer", function()
    local init = setmetatable({ value = 42 }, { __call = function(self, more)
      _G.callable_spec = self.value + more
    end })
    local ex = h.pool { max_workers = 1, initializer = init, initargs = { 1 } }
    assert.equal(43, ex:submit(function() return _G.callable_spec end):result())
  end)

  it("is a done callback", function()
    local seen
    local callback = setmetatable({}, { __call = function(_, f) seen = f:result() end })
    local f = tidepool.future()
    f:add_done_callback(callback)
    f:set_result(5)
    assert.equal(5, seen)
    seen = nil
    f:add_done_callback(callback)
    assert.equal(5, seen)
  end)

  it("that fails is reported like a function", function()
    local ex = h.pool(1)
    local bad = setmetatable({}, { __call = function() error "no such luck" end })
    local f = ex:submit(bad)
    h.contains("no such luck", f:exception())
    h.contains("callable_spec.lua", f:traceback())
  end)

  it("that cannot be sent is refused with its path", function()
    local ex = h.pool(1)
    local bad = setmetatable({ co = coroutine.create(print) }, Times)
    local err = h.raises("transfer", ex.submit, ex, bad, 1)
    h.contains("field co", err.message)
    err = h.raises("transfer", ex.map, ex, bad, { 1 })
    h.contains("field co", err.message)
  end)
end)

describe("A callable userdata", function()
  after_each(h.finish)

  -- Lua itself can give a userdata a metatable only through debug.
  local function userdata()
    local meta = {
      __call = function(_, x) return x + 1 end,
      __transfer = function() return "spec.support.sample.point", 3, 4 end,
    }
    local file = assert(io.tmpfile())
    local before = debug.getmetatable(file)
    file:close()
    debug.setmetatable(file, meta)
    return file, function() debug.setmetatable(file, before) end
  end

  it("is taken for a task, and refused only if it cannot be rebuilt to one", function()
    local ex = h.pool(1)
    local object, back = userdata()
    local f = ex:submit(object, 1) -- its __transfer makes a point of it, which is no callable
    h.contains("attempt to call a table value", f:exception())
    back()
  end)

  it("calls back here", function()
    local object, back = userdata()
    local f = tidepool.future()
    f:set_result("x")
    debug.getmetatable(object).__call = function(_, done) object = done:result() end
    f:add_done_callback(object)
    assert.equal("x", object)
    back()
  end)
end)

describe("What is not callable", function()
  after_each(h.finish)

  it("is refused", function()
    local ex = h.pool(1)
    for _, value in ipairs { {}, setmetatable({}, {}), 1, true, io.stdout, tidepool.share(1) } do
      h.fails("bad argument #1 to 'submit' (function expected, got", ex.submit, ex, value)
      h.fails("bad argument #1 to 'map' (function expected, got", ex.map, ex, value, {})
      h.fails("bad argument #1 to 'add_done_callback' (function expected, got",
        tidepool.future().add_done_callback, tidepool.future(), value)
    end
  end)
end)
