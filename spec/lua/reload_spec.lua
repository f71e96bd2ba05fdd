-- What a module name means at present: aliases, modules that are loaded again, replaced, mocked.
--
-- Each runs in an interpreter of its own, as it changes package.loaded.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"

--- Runs code with an executor `ex` of one worker; asserts that it prints nothing.
local function quiet(code)
  assert.equal("", h.runs([[
    local tidepool = require "tidepool"
    local ex <close> = tidepool.executor(1)
    local NAMES = "spec.support.names."
    local function reload(name)
      package.loaded[NAMES .. name] = nil
      return require(NAMES .. name)
    end
    local function expect(what, ...)
      if not ... then print(what, ...) end
    end
    local function same(x) return ex:submit(function(y) return y end, x):result() end
    local function indexed() same {} end
  ]] .. code))
end

describe("A table with several names in package.loaded", function()
  after_each(h.finish)

  it("is the same under all of them in a worker", function()
    for _ = 1, 5 do
      quiet [[
        local whole = require(NAMES .. "whole")
        expect("a function of either", ex:submit(function()
          return whole.extra() == "extra" and whole.part() == "part"
        end):result())
        expect("one table", ex:submit(function()
          return whole == require "spec.support.names.whole"
            and whole == require "spec.support.names.whole.part"
        end):result())
        expect("the way back", same(whole) == whole and same(whole.part) == whole.part
          and same(whole.extra) == whole.extra and same(whole.base) == whole.base)
      ]]
    end
  end)

  it("also where the worker would load two", function()
    quiet [[
      local twin = require(NAMES .. "twin")
      package.loaded["spec/support/names/twin"] = twin
      package.loaded["no.such.file"] = twin
      expect("one table", ex:submit(function()
        return twin == require "spec/support/names/twin" and twin == require "no.such.file"
          and twin == require "spec.support.names.twin" and twin.me() == twin
      end):result())
      expect("back", same(twin) == twin)
    ]]
  end)

  it("also where the worker has loaded two", function()
    quiet [[
      local twin = require(NAMES .. "twin")
      package.loaded["spec/support/names/twin"] = twin
      ex:submit(function()
        return require "spec.support.names.twin" ~= require "spec/support/names/twin"
      end):result()
      expect("one table", ex:submit(function()
        return require "spec.support.names.twin" == require "spec/support/names/twin"
          and twin.me() == twin
      end):result())
    ]]
  end)

  it("with an alias whose file cannot be loaded", function()
    quiet [[
      local twin = require(NAMES .. "twin")
      package.loaded["spec.support.broken"] = twin
      expect("one table", ex:submit(function()
        return twin == require "spec.support.broken" and twin == require "spec.support.names.twin"
      end):result())
    ]]
  end)

  it("until one of them means something else again", function()
    quiet [[
      local twin, other = require(NAMES .. "twin"), require(NAMES .. "complex")
      package.loaded[NAMES .. "complex"] = twin
      expect("one", ex:submit(function()
        return twin == require "spec.support.names.complex"
      end):result())
      package.loaded[NAMES .. "complex"] = other
      expect("another", ex:submit(function()
        return other.abs(other.new(3, 4)) == 5 and other == require "spec.support.names.complex"
          and other ~= twin and twin == require "spec.support.names.twin"
      end):result())
      expect("both back", same(other) == other and same(twin) == twin)
    ]]
  end)

  it("when the second name comes later", function()
    quiet [[
      local part = require(NAMES .. "whole.part")
      indexed()
      expect("alone", same(part) == part)
      local whole = require(NAMES .. "whole")
      expect("with the rest", ex:submit(function() return part.extra() == "extra" end):result())
      expect("back", same(whole.extra) == whole.extra)
    ]]
  end)

  it("does not change what the script has loaded", function()
    quiet [[
      local twin = require(NAMES .. "twin")
      local f = ex:submit(function()
        local t = require "spec.support.names.twin"
        package.loaded["my.alias"] = t
        return t
      end)
      expect("its own", f:result() == twin and package.loaded["my.alias"] == nil)
    ]]
  end)
end)

describe("A module that is loaded again", function()
  after_each(h.finish)

  it("is sent by name, and the old one by value, at once", function()
    quiet [[
      local old = require(NAMES .. "complex")
      indexed()
      local z = old.new(3, 4)
      local new = reload "complex"
      expect("new", same(new) == new and same(new.abs) == new.abs)
      expect("new objects", new.is(same(new.new(1, 2))))
      local o = same(old)
      expect("old", o ~= new and o ~= old and o.abs(o.new(3, 4)) == 5)
      expect("old objects", not new.is(same(z)) and same(z):abs() == 5)
    ]]
  end)

  it("also where its code was sent before", function()
    quiet [[
      local old = require(NAMES .. "twin")
      package.loaded[NAMES .. "twin"] = nil
      expect("by value", same(old.me) ~= old.me)
      local new = require(NAMES .. "twin")
      expect("by name", same(new.me) == new.me and same(new.me) == new.me)
      expect("by value still", same(old.me) ~= new.me)
    ]]
  end)

  it("with as many modules as before", function()
    quiet [[
      require(NAMES .. "complex")
      indexed()
      package.loaded[NAMES .. "complex"] = nil
      local twin = require(NAMES .. "twin")
      expect("noticed", same(twin) == twin and same(twin.me) == twin.me)
    ]]
  end)

  it("or taken out and put back", function()
    quiet [[
      local twin = require(NAMES .. "twin")
      expect("before", same(twin) == twin)
      package.loaded[NAMES .. "twin"] = nil
      expect("without", same(twin) ~= twin)
      package.loaded[NAMES .. "twin"] = twin
      expect("after", same(twin) == twin)
    ]]
  end)

  it("of a precompiled file is sent by name, stripped or not", function()
    for _, strip in ipairs { "true", "false" } do
      quiet([[
        local dir = os.tmpname()
        os.remove(dir)
        os.execute("mkdir -p " .. dir)
        local code = string.dump(loadfile "spec/support/names/complex.lua", ]] .. strip .. [[)
        io.open(dir .. "/pre.lua", "w"):write(code):close()
        package.path = dir .. "/?.lua;" .. package.path
        local pre = require "pre"
        expect("module", same(pre) == pre and same(pre.abs) == pre.abs)
        expect("objects", pre.abs(same(pre.new(3, 4))) == 5)
        expect("there", ex:submit(function(z) return z:abs() end, pre.new(3, 4)):result() == 5)
        os.execute("rm -r " .. dir)
      ]])
    end
  end)

  it("from another place is sent by value where the worker would find other code", function()
    quiet [[
      local twin = require(NAMES .. "twin")
      expect("before", same(twin) == twin)
      local dir = os.tmpname()
      os.remove(dir)
      os.execute("mkdir -p " .. dir .. "/spec/support/names")
      local name = dir .. "/spec/support/names/twin.lua"
      io.open(name, "w"):write("return { me = function() return 'other' end }"):close()
      local path = package.path
      package.path = dir .. "/?.lua;" .. path
      local ok, result = pcall(function() return ex:submit(twin.me):result() end)
      expect("by value", ok and type(result) == "table" and result ~= twin)
      local other = reload "twin"
      local fresh <close> = tidepool.executor(1) -- that of ex has loaded the first
      expect("by name", fresh:submit(function(m) return m end, other):result() == other
        and fresh:submit(other.me):result() == "other")
      package.path = path
      os.execute("rm -r " .. dir)
    ]]
  end)
end)

describe("A mock is sent by value", function()
  after_each(h.finish)

  it("of a module in C and Lua", function()
    quiet [[
      package.loaded.socket = { fake = true, gettime = function() return 42 end }
      local socket = require "socket"
      expect("mocked", ex:submit(function()
        return socket.gettime() == 42 and socket.fake
      end):result())
    ]]
    quiet [[
      local real = require "socket"
      expect("real", same(real) == real)
      package.loaded.socket = { fake = true }
      package.loaded["socket.core"] = { also = print }
      local socket, core = require "socket", require "socket.core"
      expect("mocked", ex:submit(function() return socket.fake and not socket.gettime end):result())
      expect("in C", ex:submit(function()
        return core.also == print and not core.gettime
      end):result())
      package.loaded.socket, package.loaded["socket.core"] = real, real
      expect("real again", same(real) == real)
    ]]
  end)

  it("of a module in Lua, without loading that", function()
    for _, mock in ipairs { "{}", "{ x = 1 }", "{ abs = function() return 'fake' end }",
      "{ abs = print }", "setmetatable({}, { __index = string })" } do
      quiet([[
        local mock = ]] .. mock .. [[

        package.loaded[NAMES .. "complex"] = mock
        expect("mocked", ex:submit(function()
          return mock.new == nil and package.loaded["spec.support.names.complex"] == nil
        end):result())
        local real = reload "complex"
        expect("real", same(real) == real and real.is(same(real.new(1, 2))))
      ]])
    end
  end)

  it("of a module of data", function()
    quiet [[
      local real = require(NAMES .. "data")
      expect("real", same(real) == real and same(real.limits) == real.limits)
      package.loaded[NAMES .. "data"] = { limits = { low = 2, high = 9 }, words = { "a", "b" } }
      local mock = require(NAMES .. "data")
      expect("mock", ex:submit(function() return mock.limits.low == 2 end):result())
      expect("old", ex:submit(function() return real.limits.low == 1 end):result())
    ]]
  end)

  it("that is a function", function()
    quiet [[
      package.loaded[NAMES .. "maker"] = function() return "fake" end
      local maker = require(NAMES .. "maker")
      expect("fake", ex:submit(maker):result() == "fake")
      expect("as an upvalue", ex:submit(function() return maker() end):result() == "fake")
      local real = reload "maker"
      expect("real", same(real) == real and ex:submit(real, 1):result().x == 1)
    ]]
  end)

  it("of one of Lua's own libraries, and what it replaces by name", function()
    quiet [[
      local real = io
      package.loaded.io = { open = function() return "fake" end }
      local mock = require "io"
      expect("mock", ex:submit(function() return mock.open() == "fake" end):result())
      expect("real", ex:submit(function(f) return f == io.open end, real.open):result())
      package.loaded.io = real
      local print0 = print
      print = function() end
      expect("print", ex:submit(function(f) return f == print0 and f ~= nil end, print0):result())
      print = print0
    ]]
  end)

  it("also in package.preload", function()
    quiet [[
      package.preload["spec.no.such"] = function() return { f = function() return 1 end } end
      local m = require "spec.no.such"
      expect("by value", ex:submit(function() return m.f() end):result() == 1)
    ]]
  end)
end)

describe("A field that was replaced", function()
  after_each(h.finish)

  it("is sent by value, and what was there before too", function()
    quiet [[
      local nested = require(NAMES .. "nested")
      local mark, Class = nested.mark, nested.a.b.Class
      expect("before", same(nested.mark) == mark and same(Class) == Class)
      nested.mark = function() return "other" end
      nested.a.b.Class = { __index = { get = function() return "other" end } }
      expect("other", ex:submit(nested.mark):result() == "other")
      expect("other objects", ex:submit(function(x) return x:get() end,
        setmetatable({}, nested.a.b.Class)):result() == "other")
      expect("old", ex:submit(function(x) return x:get() end, Class.new(3)):result() == 3)
      expect("not the new one", same(mark) ~= nested.mark)
    ]]
  end)
end)
