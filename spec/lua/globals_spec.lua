-- Globals are sent along with a function that names them, however it reaches their table.
--
-- SPDX-License-Identifier: MIT
-- luacheck: globals config other helper strict_seen
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local tidepool = require "tidepool"

local function clear()
  setmetatable(_G, nil)
  for _, name in ipairs { "config", "other", "helper", "strict_seen", "origin", "alias" } do
    _G[name] = nil
  end
  h.finish()
end

describe("A global is seen", function()
  after_each(clear)

  local G = _G
  local raw = rawget
  local ways = {
    ["by its name"] = function() return config.n end,
    ["as _G.name"] = function() return _G.config.n end,
    ["as _G['name']"] = function() return _G["config"].n end,
    ["as _G._G.name"] = function() return _G._G.config.n end,
    ["as _ENV.name"] = function() return _ENV.config.n end,
    ["as _ENV._G.name"] = function() return _ENV._G.config.n end,
    ["through a local"] = function()
      local g = _G
      return g.config.n
    end,
    ["through a constant key in a local"] = function()
      local key = "config"
      return _G[key].n
    end,
    ["through a local _ENV"] = function()
      local _ENV = _G -- luacheck: ignore 211
      return config.n
    end,
    ["through an upvalue"] = function() return G.config.n end,
    ["through an upvalue, in a function within"] = function()
      return (function() return G.config.n end)()
    end,
    ["through a local that a function within takes"] = function()
      local g = _G
      local function read() return g.config.n end
      return read()
    end,
    ["through a local that gets the table later"] = function()
      local g
      local function read() return g.config.n end
      g = _G
      return read()
    end,
    ["through an upvalue that a function within sets"] = function()
      local g
      local function set() g = _ENV end
      set()
      return g.config.n
    end,
    ["by rawget"] = function() return rawget(_G, "config").n end,
    ["by rawget under another name"] = function() return raw(_G, "config").n end,
    ["by rawget through pcall"] = function()
      local _, value = pcall(rawget, _G, "config")
      return value.n
    end,
    ["by package.loaded._G"] = function() return package.loaded._G.config.n end,
    ["by require"] = function() return require("_G").config.n end,
    ["by what setmetatable returns"] = function() return setmetatable(_G, nil).config.n end,
    ["by select"] = function() return select(2, 1, _G).config.n end,
    ["by a choice"] = function(none) return (none or _G).config.n end,
    ["by the other choice"] = function(none)
      local g
      if none then g = none else g = _G end
      return g.config.n
    end,
    ["in a loop"] = function()
      local g, n
      for i = 1, 2 do
        if i == 2 then n = g.config.n end
        g = _G
      end
      return n
    end,
    ["in a function that it is passed to"] = function()
      local function get(env) return env.config.n end
      return get(_ENV)
    end,
    ["in a field"] = function()
      local t = { env = _G }
      return t.env.config.n
    end,
    ["in a list"] = function()
      local t = table.pack(1, _G)
      return t[2].config.n
    end,
    ["through a metatable"] = function()
      local t = setmetatable({}, { __index = _G })
      return t.config.n
    end,
    ["through a local _ENV that falls back on it"] = function()
      local _ENV = setmetatable({}, { __index = _G }) -- luacheck: ignore 211
      return config.n
    end,
    ["through a coroutine"] = function()
      return coroutine.wrap(function(g) return g.config.n end)(_G)
    end,
    ["as a method's self"] = function()
      function _G:helper() return self.config.n end
      return _G:helper()
    end,
    ["through another global"] = function()
      other = _G
      return other.config.n
    end,
  }

  for name, read in pairs(ways) do
    it(name .. ", with its value at each submit, and is gone when it is", function()
      local ex = h.pool(1)
      for n = 1, 2 do
        _G.config = { n = n }
        assert.equal(n, ex:submit(read):result())
      end
      _G.config = nil
      local err = ex:submit(read):exception()
      h.contains("attempt to index a nil value", tostring(err))
    end)
  end

  it("in a table that is sent, an argument, a metatable", function()
    local ex = h.pool(1)
    _G.config = { n = 7 }
    assert.equal(7, ex:submit(function(env) return env.config.n end, _G):result())
    local t = { env = _G }
    assert.equal(7, ex:submit(function() return t.env.config.n end):result())
    local o = setmetatable({}, { __index = _G })
    assert.equal(7, ex:submit(function() return o.config.n end):result())
    _G.alias = _G
    assert.equal(7, ex:submit(load "return alias.config.n"):result())
  end)

  it("in another function of the message", function()
    local ex = h.pool(1)
    local function get(env) return env.config.n end
    _G.config = { n = 8 }
    assert.equal(8, ex:submit(function() return get(_G) end):result())
    assert.equal(8, ex:submit(function(f) return f(_G) end, get):result())
    _G.helper = get
    assert.equal(8, ex:submit(function() return helper(_G) end):result())
  end)

  it("when it is written as _G.name, and the script keeps its own", function()
    local ex = h.pool(1)
    _G.config = 1
    local function bump()
      _G.config = _G.config + 1
      return config
    end
    assert.equal(2, ex:submit(bump):result())
    assert.equal(2, ex:submit(bump):result())
    assert.equal(1, _G.config)
  end)

  it("when an upvalue that was another table becomes the table of globals, and back", function()
    local ex, g = h.pool(1), { config = 5 }
    local function read() return g.config end
    for _ = 1, 3 do assert.equal(5, ex:submit(read):result()) end
    g, _G.config = _G, 6
    for _ = 1, 3 do assert.equal(6, ex:submit(read):result()) end
    g, _G.config = { config = 7 }, coroutine.create(print)
    for _ = 1, 3 do assert.equal(7, ex:submit(read):result()) end
  end)

  it("in a function that was stripped, and one with hundreds of constants", function()
    local ex = h.pool(1)
    _G.config = { n = 9 }
    local stripped = load(string.dump(function() return _G.config.n end, true))
    assert.equal(9, ex:submit(stripped):result())
    local source = { "local t = {" }
    for i = 1, 300 do source[#source + 1] = ("'s%d',"):format(i) end
    source[#source + 1] = "} local g = _G return _G.config.n + g.config.n + _G['config'].n"
    assert.equal(27, ex:submit(load(table.concat(source))):result())
  end)

  it("in what is shared", function()
    local ex = h.pool(1)
    _G.config = { n = 10 }
    local shared = tidepool.share(function() return _G.config.n, rawget(_G, "config").n end)
    _G.config = nil
    assert.same({ 10, 10 }, { ex:submit(function() return shared:get()() end):result() })
  end)

  it("through a chain of tables behind the globals", function()
    local ex = h.pool(1)
    setmetatable(_G, { __index = setmetatable({}, { __index = { config = { n = 11 } } }) })
    assert.equal(11, ex:submit(function() return config.n end):result())
  end)
end)

describe("A global", function()
  after_each(clear)

  it("is not sent if its name is only a string, or a field of something else", function()
    _G.origin, _G.config = coroutine.create(print), 1
    local ex = h.pool(1)
    local function read(t) return #"origin" + t.origin, config end
    assert.same({ 7, 1 }, { ex:submit(read, { origin = 1 }):result() })
  end)

  it("that is only maybe named, and cannot be sent, is left out", function()
    _G.origin, _G.config = { 1, 2, coroutine.create(print) }, { n = 3 }
    local ex = h.pool(1)
    local function get(env, t) return t.origin, env.origin, env.config.n end
    local t = { origin = 4 }
    assert.same({ 4, nil, 3, n = 3 }, table.pack(ex:submit(get, _G, t):result()))
    local kept = { "kept" }
    _G.origin = { kept, function() return other end, coroutine.create(print) }
    _G.other = coroutine.create(print)
    local a, b = ex:submit(function(env, k) return env.config, env.origin, k end, _G, kept):result()
    assert.same({ { n = 3 } }, { a, b })
  end)

  it("that is surely named, and cannot be sent, is refused with its path", function()
    _G.config = { field = coroutine.create(print) }
    local ex = h.pool(1)
    for _, f in ipairs {
      function() return _G.config end,
      function() return rawget(_G, "config") end,
      function()
        local g = _ENV
        return function() return g.config end
      end,
    } do
      local err = h.raises("transfer", ex.submit, ex, f)
      h.contains("global config, field field: cannot send a coroutine", err.message)
    end
  end)

  it("that an initializer sets stays, whatever the script has under its name", function()
    _G.config = "the script's"
    for _, set in ipairs {
      function() config = "the initializer's" end,
      function() _G.config = "the initializer's" end,
      function() rawset(_G, "config", "the initializer's") end,
    } do
      local ex = h.pool { max_workers = 1, initializer = set }
      for _ = 1, 3 do
        assert.equal("the initializer's", ex:submit(function() return config end):result())
        assert.equal("the initializer's", ex:submit(function() return _G.config end):result())
      end
    end
  end)

  it("with a computed name is not seen", function()
    _G.config = 1
    local function read(name) return _G[name] end
    assert.is_nil(h.pool(1):submit(read, "config"):result())
  end)
end)

describe("Packing calls no metamethod of an environment:", function()
  after_each(clear)

  -- Returns the list of names that the environment's functions are called with.
  local function recorded(env)
    local calls = {}
    return calls, setmetatable(env, {
      __index = function(_, name)
        calls[#calls + 1] = name
        error("undeclared " .. tostring(name), 2)
      end,
      __newindex = function(_, name) error("assignment to undeclared " .. tostring(name), 2) end,
    })
  end

  it("that of strict globals", function()
    _G.config = { n = 1 }
    local ex = h.pool(1)
    local calls = recorded(_G)
    local function read(t)
      if not t then return undeclared, _G.undeclared_too end -- luacheck: ignore 113
      return #"bad-request" + t.origin + config.n + rawlen(_ENV)
    end
    assert.equal(13, ex:submit(read, { origin = 1 }):result())
    assert.equal(2, ex:submit(function(env) return env.config.n + 1 end, _G):result())
    assert.same({}, calls)
  end)

  it("that of an _ENV of its own over strict globals", function()
    _G.config = { n = 1 }
    local ex = h.pool(1)
    local calls = recorded(_G)
    for _, index in ipairs { _G, function(_, name) return _G[name] end } do
      local env = setmetatable({ module = { n = 2 } }, { __index = index })
      for source, result in pairs {
        ["return function(t) return #'bad-request' + math.floor(t.origin) end"] = 12,
        ["return function(t) return rawlen(_ENV) + #'bad-request' + t.origin end"] = 12,
        ["return function(t) if not t then return foo end return t.origin end"] = 1,
        ["return function(t) return config.n + module.n + t.origin end"] = 4,
        ["return function(t) local E = _ENV return E.config.n + E.module.n + t.origin end"] = 4,
        ["return function(t) local function get(e) return e.module.n + e.config.n + t.origin end "
          .. "return get(_ENV) end"] = 4,
      } do
        local f = load(source, "=m", "t", env)()
        assert.equal(result, ex:submit(f, { origin = 1 }):result())
      end
    end
    assert.same({}, calls)
  end)

  it("that of an environment that raises for all it lacks", function()
    local ex = h.pool(1)
    local calls, env = recorded { config = { n = 1 }, tostring = tostring }
    local f = load("return function(x) if x then return missing end return config.n end",
      "=m", "t", env)()
    assert.equal(1, ex:submit(f):result())
    assert.same({}, calls)
  end)

  it("that of environments which are their own fallback", function()
    local env = {}
    setmetatable(env, { __index = env })
    assert.equal(1, h.pool(1):submit(load("return missing or 1", "=m", "t", env)):result())
  end)
end)

describe("An _ENV of its own without a fallback", function()
  after_each(clear)

  it("is sent along as the table that it is", function()
    local ex = h.pool(1)
    local env = { config = { n = 3 }, _G = _G }
    _G.other = 4
    assert.equal(3, ex:submit(load("return config.n", "=m", "t", env)):result())
    assert.equal(4, ex:submit(load("return _G.other", "=m", "t", env)):result())
    local set = load("config = 5 return config", "=m", "t", env)
    assert.equal(5, ex:submit(set):result())
    assert.equal(3, env.config.n)
    assert.is_nil(ex:submit(load "return rawget(_G, 'config')"):result())
  end)
end)
