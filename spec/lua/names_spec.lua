-- What is sent by name: classes and tables of modules, wherever the modules keep them.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"

local complex = require "spec.support.names.complex"
local nested = require "spec.support.names.nested"
local class = require "spec.support.names.class"
local zoo = require "spec.support.names.zoo"
local maker = require "spec.support.names.maker"

local function through(...) return h.pool(1):submit(function(...) return ... end, ...):result() end

describe("A module's class keeps its identity both ways", function()
  after_each(h.finish)

  it("with a metatable that is a local of the module", function()
    local ex = h.pool(1)
    assert.equal(5, ex:submit(function(z) return z:abs() end, complex.new(3, 4)):result())
    assert.equal(5, ex:submit(complex.abs, complex.new(3, 4)):result())
    assert.is_true(complex.is(ex:submit(complex.new, 1, 2):result()))
    assert.equal(6, (complex.new(1, 0) + through(complex.new(5, 0))).r)
    assert.is_true(ex:submit(function(z)
      return require "spec.support.names.complex".is(z)
    end, complex.new(1, 1)):result())
  end)

  it("with one at any depth of its fields", function()
    local p = through(nested.a.b.Class.new(7))
    assert.equal(nested.a.b.Class, getmetatable(p))
    assert.equal(7, p:get())
    assert.is_true(h.pool(1):submit(function(q)
      return getmetatable(q) == require "spec.support.names.nested".a.b.Class
    end, p):result())
  end)

  it("with one that has no functions", function()
    assert.is_true(nested.marked(through(nested.mark {})))
    assert.is_true(h.pool(1):submit(nested.marked, nested.mark {}):result())
  end)

  it("with one that has its methods from its own metatable", function()
    local x = through(nested.hidden(3))
    assert.is_true(nested.is_hidden(x))
    assert.is_true(h.pool(1):submit(nested.is_hidden, x):result())
    assert.equal("hidden", h.pool(1):submit(function(o) return o:kind() end, x):result())
  end)

  it("with one that only the function has which is the module", function()
    assert.equal(4, h.pool(1):submit(function(x) return x:get() end, maker(4)):result())
    assert.is_true(maker(nil, through(maker(4))))
    assert.equal(maker, through(maker))
  end)

  it("of a library of classes, exported or not", function()
    local a = through(zoo.Animal:new "Ada")
    assert.is_true(a:is_a(zoo.Animal))
    assert.equal(zoo.Animal, a.class)
    assert.equal(zoo.Animal.dictionary, getmetatable(a))
    assert.is_true(zoo.is_cat(through(zoo.cat "Cleo")))
    assert.is_true(h.pool(1):submit(function(c)
      local z = require "spec.support.names.zoo"
      return z.is_cat(c) and c:is_a(z.Animal) and c:speak() == "Cleo meows"
    end, zoo.cat "Cleo"):result())
  end)

  it("of Penlight", function()
    local List = require "pl.List"
    local l = through(List { 3, 1, 2 })
    assert.is_true(List:class_of(l))
    assert.equal(List, getmetatable(l))
    assert.equal("{1,2,3}", h.pool(1):submit(function(x) return tostring(x:sort()) end, l):result())
    local Map = require "pl.OrderedMap"
    local m = Map()
    m:set("b", 1)
    m:set("a", 2)
    assert.is_true(Map:class_of(through(m)))
    assert.same({ "b", "a" }, h.pool(1):submit(function(x)
      return require "pl.List"(x:keys())
    end, m):result())
  end)

  it("whatever a script has added to it", function()
    local Class = nested.a.b.Class
    function Class:added() return self.x + 1 end
    local p = through(Class.new(1))
    Class.added = nil
    assert.equal(Class, getmetatable(p))
  end)
end)

describe("A script's class is sent by value", function()
  after_each(function()
    nested.registry.classes.Foo, nested.Foo = nil, nil
    class.classes.Dog, class.classes.Empty = nil, nil
    nested.register("Foo", nil)
    nested.register("data", nil)
    h.finish()
  end)

  local function foo()
    local Foo = {}
    Foo.__index = Foo
    function Foo:get() return self.x end
    return Foo
  end

  local function check(Foo)
    local x = setmetatable({ x = 2 }, Foo)
    local ex = h.pool(1)
    assert.equal(2, ex:submit(function(y) return y.x end, x):result())
    assert.are_not.equal(Foo, getmetatable(ex:submit(function(y) return y end, x):result()))
    if Foo.get then assert.equal(2, ex:submit(function(y) return y:get() end, x):result()) end
  end

  it("in a table of a module", function()
    local Foo = foo()
    nested.registry.classes.Foo = Foo
    check(Foo)
  end)

  it("in the module itself", function()
    local Foo = foo()
    nested.Foo = Foo
    check(Foo)
  end)

  it("in what a function of the module keeps", function()
    local Foo = foo()
    nested.register("Foo", Foo)
    check(Foo)
    assert.equal(Foo, nested.registered "Foo")
  end)

  it("without methods, and when they come later", function()
    local Foo = {}
    Foo.__index = Foo
    nested.registry.classes.Foo = Foo
    check(Foo)
    function Foo:get() return self.x end
    check(Foo)
  end)

  it("if a module's function made it for the script and kept it", function()
    local Dog = class("Dog", zoo.Animal)
    function Dog:speak() return self.name .. " barks" end
    function Dog:initialize(name) self.name = name end
    local ex = h.pool(1)
    assert.equal("Rex barks", ex:submit(function(d) return d:speak() end, Dog:new "Rex"):result())
    local super, isa = ex:submit(function(d)
      local Animal = require "spec.support.names.zoo".Animal
      return d.class.super == Animal, d:is_a(Animal)
    end, Dog:new "Rex"):result()
    assert.is_true(super)
    assert.is_true(isa)
    assert.equal(zoo.Animal, through(Dog).super)
    assert.equal("Tom barks", ex:submit(function(D) return D:new "Tom":speak() end, Dog):result())
  end)

  it("if such a class has nothing of the script's own", function()
    local Empty = class "Empty"
    local ok, name = h.pool(1):submit(function(x)
      return x:is_a(x.class), x.class.name
    end, Empty:new()):result()
    assert.is_true(ok)
    assert.equal("Empty", name)
  end)

  it("if it was derived from a module's class by Penlight", function()
    local pl = require "pl.class"
    local List = require "pl.List"
    local Stack = pl(List)
    function Stack:top() return self[#self] end
    local s = Stack { 1, 2, 3 }
    assert.equal(3, h.pool(1):submit(function(x) return x:top() end, s):result())
    assert.is_true(h.pool(1):submit(function(x)
      return x:is_a(require "pl.List")
    end, s):result())
  end)
end)

describe("A table in a module", function()
  local conf = nested.conf
  after_each(function()
    nested.setup(conf)
    nested.register("data", nil)
    h.finish()
  end)

  it("is the worker's if a script has not exchanged it", function()
    assert.is_true(h.pool(1):submit(function(c)
      return c == require "spec.support.names.nested".conf
    end, nested.conf):result())
    assert.equal(nested.conf, through(nested.conf))
  end)

  it("arrives with the script's content if the script put it there", function()
    local mine = { debug = true, file = { "x" } }
    nested.setup(mine)
    assert.is_true(h.pool(1):submit(function(c) return c.debug and c.file[1] == "x" end,
      mine):result())
    assert.is_false(h.pool(1):submit(function(c) return c.debug end, conf):result())
  end)

  it("arrives with the script's content if the module keeps it for the script", function()
    local data = { 1, 2, self = false }
    data.self = data
    nested.register("data", data)
    assert.is_true(h.pool(1):submit(function(d) return d.self == d and #d == 2 end, data):result())
  end)

  it("may hold closures that the module made for itself or for the script", function()
    assert.equal(nested.add1, through(nested.add1))
    local add5 = nested.adder(5)
    nested.add5 = add5
    assert.equal(7, h.pool(1):submit(add5, 2):result())
    nested.add5 = nil
    local add1 = nested.add1
    nested.add1 = add5
    assert.equal(7, h.pool(1):submit(function(x) return add5(x) end, 2):result())
    assert.equal(3, h.pool(1):submit(function(x) return add1(x) end, 2):result())
    nested.add1 = add1
  end)

  it("is found where the way to it is long, but not endless", function()
    local list = {}
    local last = list
    for i = 1, 100000 do
      last.next = { n = i }
      last = last.next
    end
    nested.list = list
    assert.equal(nested, through(nested))
    nested.list = nil
  end)
end)

describe("A function whose chunk name names a FIFO", function()
  it("is sent from a C library's table, and the FIFO is not opened", function()
    local fifo = os.tmpname()
    os.remove(fifo)
    assert(os.execute("mkfifo " .. h.quote(fifo)))
    local ok, err = pcall(h.runs, ([[
      local core = require "tidepool.core"
      core.three = assert(load("return 3", "@%s"))
      local ex <close> = require "tidepool".executor(1)
      assert(ex:submit(core.three):result() == 3)
    ]]):format(fifo), 0, { prefix = "timeout -s KILL " .. math.ceil(20 * h.slow) })
    os.remove(fifo)
    assert.is_true(ok, err)
  end)
end)
