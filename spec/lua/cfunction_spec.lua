-- C functions are sent by name, or are refused; by address only if the executor allows it.
--
-- SPDX-License-Identifier: MIT
-- luacheck: globals host_call host_api
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function call(f, ...) return f(...) end

local function clear()
  _G.host_call, _G.host_api = nil, nil
  package.loaded["spec.host"], package.loaded["gate.deep"] = nil, nil
  gate.nested = nil
  h.finish()
end

local NAMELESS = "cannot send a C function that the other side does not find by a name"

describe("A C function without a name", function()
  after_each(clear)

  local ipairs_step = ipairs {}
  local nameless = {
    ["a closure that another one made"] = gate.adder(5),
    ["an iterator of gmatch"] = ("a b"):gmatch "%a",
    ["an iterator of lines"] = io.lines "/dev/null",
    ["what ipairs returns"] = ipairs_step,
  }

  for name, f in pairs(nameless) do
    it(name .. " is refused at the submit, with its path and the way out", function()
      local ex = h.pool(1)
      for path, args in pairs {
        ["argument 1: "] = { call, f },
        ["function: "] = { f },
        ["argument 1, field x[1]: "] = { call, { x = { f } } },
        ["upvalue f: "] = { function() return f() end },
      } do
        local err = h.raises("transfer", ex.submit, ex, table.unpack(args))
        h.contains(path .. NAMELESS, err.message)
        h.contains("cfunctions", err.message)
        h.contains("initializer", err.message)
      end
      assert.equal(1, ex:submit(function() return 1 end):result())
    end)
  end

  it("is refused as a global, in a share, in a promise, as an initializer's argument", function()
    local ex = h.pool(1)
    _G.host_call = gate.adder(1)
    local err = h.raises("transfer", ex.submit, ex, function() return host_call(1) end)
    h.contains("global 'host_call'", err.message)
    err = h.raises("transfer", tidepool.share, { gate.adder(1) })
    h.contains("shared value, field [1]: " .. NAMELESS, err.message)
    local p = tidepool.future()
    err = h.raises("transfer", p.set_result, p, gate.adder(1))
    h.contains("result 1: " .. NAMELESS, err.message)
    err = h.raises("transfer", tidepool.executor,
      { initializer = call, initargs = { ipairs_step } })
    h.contains("initializer argument 1: " .. NAMELESS, err.message)
  end)

  it("is refused as a result and as an error: the future has the reason", function()
    local ex = h.pool(1)
    local f = ex:submit(function() return 1, gate.adder(1) end)
    h.contains("result 2: " .. NAMELESS, h.raises("transfer", f.result, f).message)
    f = ex:submit(function() error((("x"):gmatch "x")) end)
    h.contains("error value: " .. NAMELESS, h.raises("transfer", f.result, f).message)
  end)

  it("that is a coroutine's is called that", function()
    local ex = h.pool(1)
    local err = h.raises("transfer", ex.submit, ex, call, coroutine.wrap(print))
    h.contains("argument 1: cannot send a coroutine", err.message)
  end)

  it("is sent by address with cfunctions = true, with its upvalues, there and back", function()
    local ex, add5 = h.pool { max_workers = 1, cfunctions = true }, gate.adder(5)
    assert.equal(12, ex:submit(add5, 7):result())
    assert.equal(12, ex:submit(call, add5, 7):result())
    assert.equal(12, ex:submit(function() return add5 end):result()(7))
    assert.equal(13, ex:submit(function() return gate.adder(6) end):result()(7))
    assert.same({ 1, "x" }, { ex:submit(ipairs_step, { "x" }, 0):result() })
    assert.same({ 6, 7 }, { ex:map(add5, { 1, 2 }):collect()[1], add5(2) })
    local err = h.raises("transfer", ex.submit, ex, call, (("x"):gmatch "x"))
    h.contains("argument 1, upvalue", err.message)
    h.contains("cannot send a userdata", err.message)
  end)

  it("is sent by address with cfunctions = true in tables, despite an initializer", function()
    _G.host_api = { call = gate.adder(5) }
    local ex = h.pool { max_workers = 1, cfunctions = true, initializer = function() end }
    local api, f = _G.host_api, _G.host_api.call
    assert.equal(6, ex:submit(function() return host_api.call(1) end):result())
    assert.equal(7, ex:submit(function() return api.call(2) end):result())
    assert.equal(8, ex:submit(function() return f(3) end):result())
  end)

  it("is refused where cfunctions is false, and the option takes booleans only", function()
    local ex = h.pool { max_workers = 1, cfunctions = false }
    h.raises("transfer", ex.submit, ex, gate.adder(1))
    assert.has_error(function() tidepool.executor { cfunctions = 1 } end)
  end)
end)

describe("A C function with a name", function()
  after_each(clear)

  it("of a library, or of a module that can be required, is sent by its name", function()
    local ex = h.pool(1)
    assert.equal("x", ex:submit(call, string.lower, "X"):result())
    assert.equal(3, ex:submit(gate.add, "cfunction", 3):result())
    assert.equal(string.rep, ex:submit(function() return string.rep end):result())
    assert.equal("worker's", ex:submit(function(f)
      return f == print and "worker's" or "script's"
    end, print):result())
  end)

  it("that lies deep within such a module has none there, if a script put it there", function()
    local ex = h.pool(1)
    gate.nested = { deep = { f = gate.adder(1) } }
    local f = ex:submit(call, gate.nested.deep.f, 1)
    h.contains("the receiving state has no 'gate.nested.deep.f'",
      h.raises("transfer", f.result, f).message)
  end)

  it("which only the script's state has is refused with that name", function()
    local ex = h.pool(1)
    local api = { call = gate.adder(1), n = 1 }
    package.loaded["spec.host"] = api
    local err = h.raises("transfer", ex.submit, ex, function() return api.n end)
    h.contains("upvalue api, field call: cannot send the C function 'spec.host.call': workers do "
      .. "not have module 'spec.host', which only this program has", err.message)
    h.contains("initializer", err.message)
    _G.host_api = { n = 2, call = gate.adder(2) }
    err = h.raises("transfer", ex.submit, ex, function() return host_api.n end)
    h.contains("global host_api, field call: cannot send the C function 'host_api.call': workers "
      .. "do not have global 'host_api'", err.message)
  end)

  it("which the initializer gives each worker, is sent by its name", function()
    _G.host_api = { n = 1, call = gate.adder(1) }
    local ex = h.pool {
      max_workers = 1,
      initializer = function()
        rawset(_G, "host_api", { n = 2, call = require "gate".adder(2) })
      end,
    }
    local api, f = _G.host_api, _G.host_api.call
    for _ = 1, 3 do
      assert.same({ 2, 12 },
        { ex:submit(function() return host_api.n, host_api.call(10) end):result() })
      assert.same({ 2, 12 }, { ex:submit(function() return api.n, api.call(10) end):result() })
      assert.equal(12, ex:submit(f, 10):result())
      assert.equal(12, ex:submit(call, f, 10):result())
    end
  end)

  it("for which the initializer has something else, is not needed as a global", function()
    _G.host_call = gate.adder(1)
    local ex = h.pool {
      max_workers = 1,
      initializer = function() rawset(_G, "host_call", function(x) return -x end) end,
    }
    assert.equal(-5, ex:submit(function() return host_call(5) end):result())
    local f = ex:submit(call, host_call, 5)
    h.contains("'host_call' is another function in the receiving state",
      h.raises("transfer", f.result, f).message)
  end)

  it("that is not there fails the task with the reason", function()
    _G.host_api = { call = gate.adder(1) }
    local ex = h.pool { max_workers = 1, initializer = function() end }
    local f = ex:submit(function() return host_api.call(1) end)
    h.contains("the receiving state has no 'host_api'", h.raises("transfer", f.result, f).message)
    assert.equal(1, ex:submit(function() return 1 end):result())
  end)
end)

describe("A module of the program that workers cannot require", function()
  after_each(clear)

  it("is sent by value if it can, as any other table", function()
    local host = { version = 5, log = function(s) return "log " .. s end, max = math.max }
    package.loaded["spec.host"] = host
    local ex = h.pool(1)
    assert.same({ 5, "log x", 3 },
      { ex:submit(function() return host.version, host.log "x", host.max(1, 3) end):result() })
  end)

  it("is named in the refusal of what is in it, and the message says what to do", function()
    local host = { version = 5 }
    package.loaded["spec.host"] = host
    local ex = h.pool(1)
    for _, value in ipairs { io.tmpfile(), coroutine.create(print) } do
      host.handles = { value }
      local err = h.raises("transfer", ex.submit, ex, function() return host.version end)
      h.contains("upvalue host, field handles[1]: cannot send a", err.message)
      h.contains("It is in module 'spec.host', which workers cannot require", err.message)
      h.contains("open_state", err.message)
    end
  end)

  it("is not found by require in a task, which says why", function()
    package.loaded["spec.host"] = { version = 5 }
    local err = h.pool(1):submit(function() return require "spec.host" end):exception()
    h.contains("module 'spec.host' not found", err)
    h.contains("open_state or the executor's initializer can register it", err)
  end)
end)
