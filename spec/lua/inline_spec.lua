-- Executors without threads: inline = true.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function inline(options)
  options = options or {}
  options.inline = true
  return h.pool(options)
end

describe("A task of an inline executor", function()
  after_each(h.finish)

  it("runs at submit, and its future is done", function()
    local ran = gate.get "ran"
    local f = inline():submit(function(a, b)
      gate.add "ran"
      return a + b, nil, "x", nil
    end, 1, 2)
    assert.equal(ran + 1, gate.get "ran")
    assert.is_true(f:done())
    assert.equal("finished", f:status())
    assert.same({ n = 4, 3, nil, "x", nil }, table.pack(f:result()))
    assert.is_false(f:interrupt())
    assert.is_false(f:cancel())
    assert.is_false(f:running())
    local again = f:result()
    assert.equal(3, again)
  end)

  it("gets copies, and gives copies", function()
    local given, kept = { 1, { 2 } }, { 10 }
    given.self = given
    local ex = inline()
    local f = ex:submit(function(t)
      t[2][1] = "changed"
      kept[1] = kept[1] + 1
      return t, kept, t.self == t
    end, given)
    local t, k, cyclic = f:result()
    assert.same({ "changed", 11, true }, { t[2][1], k[1], cyclic })
    assert.same({ 2, 10 }, { given[2][1], kept[1] })
    assert.is_false(rawequal(t, given))
  end)

  it("sees globals as a worker would, and leaves the script's alone", function()
    AMOUNT, LIST = 5, { "script" }
    local ex = inline()
    local f = ex:submit(function()
      AMOUNT = AMOUNT + 1
      LIST[1] = "task"
      MADE = "made"
      _G.string = "mine"
      return AMOUNT, LIST[1], _G.MADE, _G == _ENV
    end)
    assert.same({ 6, "task", "made", true }, { f:result() })
    assert.same({ 5, "script" }, { AMOUNT, LIST[1] })
    assert.is_nil(rawget(_G, "MADE"))
    assert.equal("table", type(string))
    assert.equal("made", ex:submit(function() return MADE end):result()) -- it stays in the worker
    assert.equal(5, ex:submit(function() return AMOUNT end):result()) -- it comes along anew
    AMOUNT, LIST = nil, nil
    assert.is_nil(ex:submit(function() return AMOUNT end):result())
  end)

  it("loads code into the worker's globals, too", function()
    local f = inline():submit(function()
      load("LOADED = 1")()
      return LOADED
    end)
    assert.equal(1, f:result())
    assert.is_nil(rawget(_G, "LOADED"))
  end)

  it("does not run a metamethod of the script's globals", function()
    setmetatable(_G, { __index = function(_, name) error("strict: " .. name) end })
    local ok, f = pcall(function()
      return inline():submit(function() return NOT_THERE, type(print) end)
    end)
    setmetatable(_G, nil)
    assert.is_true(ok, f)
    assert.same({ n = 2, nil, "function" }, table.pack(f:result()))
  end)

  it("may return functions, which see the script's globals then", function()
    SCRIPTS = 7
    local fn = inline():submit(function()
      MINE = 1
      return function() return SCRIPTS end
    end):result()
    SCRIPTS = 8
    assert.equal(8, fn())
    SCRIPTS = nil
  end)

  it("has a name, and is the current task", function()
    local ex = inline()
    local function name() return require "tidepool".current_task().name end
    assert.equal("n", ex:with { name = "n" }:submit(name):result())
    assert.equal("", ex:submit(name):result())
    assert.is_nil(tidepool.current_task())
    assert.is_false(ex:submit(function()
      return require "tidepool".current_task():interrupted()
    end):result())
  end)

  it("may be named by module and function", function()
    assert.equal(4, inline():submit("math.abs", -4):result())
    local f = inline():submit("no.such.module.fn")
    h.contains("no.such.module", tostring(f:exception()))
  end)

  it("may submit to its own executor, and wait", function()
    local function fib(ex, self, n)
      if n < 2 then return n end
      local a, b = ex:submit(self, ex, self, n - 1), ex:submit(self, ex, self, n - 2)
      return a:result() + b:result()
    end
    local ex = inline()
    assert.equal(144, ex:submit(fib, ex, fib, 12):result())
  end)

  it("that submits has its own globals still", function()
    LIST = { 1 }
    local ex = inline()
    local f = ex:submit(function(ex2)
      local mine = LIST
      local inner = ex2:submit(function()
        LIST[1] = LIST[1] + 1
        return LIST[1]
      end):result()
      return inner, LIST[1], rawequal(LIST, mine)
    end, ex)
    assert.same({ 2, 1, true }, { f:result() })
    LIST = nil
  end)

  it("that submits without end fails by an error", function()
    local ex = inline()
    local function deeper(e, self) return e:submit(self, e, self):result() end
    for _, levels in ipairs { 0, 1, 2, 3, 5, 8 } do -- so that it happens at different places
      local function within(n, fn)
        if n == 0 then return fn() end
        return select(2, assert(pcall(within, n - 1, fn)))
      end
      h.fails("C stack overflow", function()
        within(levels, function() return ex:submit(deeper, ex, deeper):pcall() end)
        ex:submit(deeper, ex, deeper):result()
      end)
    end
    assert.equal(1, ex:submit(math.abs, -1):result())
  end)

  it("works in a worker of another executor, and in coroutines", function()
    local pool, ex = h.pool(1), inline()
    local f = pool:submit(function(e)
      local name = e:with { name = "inner" }:submit(function()
        return require "tidepool".current_task().name
      end):result()
      return name, require "tidepool".current_task().name
    end, ex)
    assert.same({ "inner", "" }, { f:result() })
    local co = coroutine.wrap(function() coroutine.yield(ex:submit(math.abs, -2):result()) end)
    assert.equal(2, co())
  end)

  it("may be a callable table", function()
    local callable = setmetatable({ factor = 3 }, {
      __call = function(t, x) return t.factor * x end,
    })
    assert.equal(6, inline():submit(callable, 2):result())
  end)

  it("may end the program, as the script may", function()
    for _, close in ipairs { "false", "true" } do
      local r = h.run_script(([[
        local tidepool = require "tidepool"
        local ex = tidepool.executor { inline = true, finalizer = function() print "final" end }
        ex:submit(function() os.exit(3, %s) end)
        print "not here"]]):format(close))
      assert.same({ 3, close == "true" and "final\n" or "" }, { r.status, r.stdout })
    end
  end)

  it("is ended by Ctrl-C, and so is the script", function()
    local r = h.interrupt [[
      local tidepool = require "tidepool"
      local ex <close> = tidepool.executor { inline = true }
      io.stdout:setvbuf "no"
      print "ready"
      ex:submit(function() while true do end end)
      print "goes on"]]
    assert.is_true(r.ready)
    assert.equal(1, r.status)
    h.contains("interrupted!", r.stderr)
    assert.equal("", r.rest)
  end)

  it("cannot yield to the script", function()
    local ex = inline()
    local co = coroutine.create(function() return ex:submit(coroutine.yield, 1):pcall() end)
    local _, ok, err = coroutine.resume(co)
    assert.is_false(ok)
    h.contains("yield", err)
    assert.equal("dead", coroutine.status(co))
  end)
end)

describe("Errors of an inline executor", function()
  after_each(h.finish)

  it("are the task's own values", function()
    local ex = inline()
    assert.equal(42, ex:submit(error, { code = 42 }):exception().code)
    assert.same({ false, "no" }, { ex:submit(error, "no"):pcall() })
    assert.equal("<no error object>", ex:submit(error):exception())
    local f = ex:submit(function()
      local function inner() error "boom" end
      inner()
    end)
    h.contains("boom", f:exception())
    h.contains("in local 'inner'", f:traceback())
    h.fails("boom", f.result, f)
  end)

  it("are the same as those of a pool", function()
    local cases = {
      function(ex) return ex:submit(function() return (nil).y end):exception() end,
      function(ex) return ex:submit(function() return coroutine.create(print) end):exception() end,
      function(ex) return ex:submit(error, coroutine.create(print)) end,
      function(ex) return ex:submit(print, { a = { coroutine.create(print) } }) end,
      function(ex)
        return ex:submit(function() error { deep = { coroutine.create(print) } } end):exception()
      end,
      function(ex) return ex:submit(1) end,
      function(ex) return ex:map(print, { 1, coroutine.create(print), 3 }) end,
      function(ex)
        return ex:map(function(x) if x == 3 then error("item " .. x) end end, { 1, 2, 3 }):collect()
      end,
      function(ex) return ex:submit("no.such.module.fn"):exception() end,
      function(ex)
        ex:shutdown()
        return ex:submit(print)
      end,
      function(ex) return ex:with { timeout = 1 }:submit(print) end,
      function(ex) return ex:submit(function(e) return e:shutdown() end, ex):exception() end,
    }
    for i, case in ipairs(cases) do
      local texts = {}
      for _, ex in ipairs { h.pool(1), inline() } do
        local _, err = pcall(case, ex)
        -- a worker's require adds a note if a module is missing
        texts[#texts + 1] = ("%s %s"):format(tostring(tidepool.error_kind(err)),
          tostring(err):gsub(" %(in a worker: [^)]*%)", ""))
      end
      assert.equal(texts[1], texts[2], i)
    end
  end)

  it("are warned of when their errors are not read", function()
    local r = h.run_script([[
      local tidepool = require "tidepool"
      local ex <close> = tidepool.executor { inline = true }
      ex:submit(error, "unseen")
      collectgarbage() collectgarbage()
      print "end"]], { flags = "-W" })
    h.contains("a task failed and its error was never read", r.stderr)
    h.contains("unseen", r.stderr)
    assert.equal("end\n", r.stdout)
  end)
end)

describe("An inline executor", function()
  after_each(h.finish)

  it("maps, in chunks or not, in order", function()
    local ex = inline()
    local function square(x) return x * x, -x end
    local n = 0
    for i, y, z in ex:map(square, { 3, 4, 5 }) do
      n = n + 1
      assert.same({ (i + 2) ^ 2, -(i + 2) }, { y, z })
    end
    assert.equal(3, n)
    local items = {}
    for i = 1, 10000 do items[i] = i end
    local out = ex:map(function(x) return x + 1 end, items):collect()
    assert.same({ 10000, 2, 10001 }, { out.n, out[1], out[10000] })
    for _, view in ipairs { ex:with { chunksize = 7 }, ex:with { buffersize = 5 },
      ex:with { ordered = false }, ex:with { timeout = 60, priority = 3 } } do
      local sum = 0
      local i = 0
      for _, y in view:map(function(x) return 2 * x end, function()
        i = i + 1
        return i <= 100 and i or nil
      end) do sum = sum + y end
      assert.equal(10100, sum)
    end
  end)

  it("continues behind a failed item", function()
    local map = inline():map(function(x) return 6 // x end, { 1, 0, 3 })
    assert.same({ 1, 6 }, { map() })
    assert.is_false(pcall(map))
    assert.same({ 3, 2 }, { map() })
    assert.is_nil(map())
  end)

  it("has waits, as_completed, callbacks and promises", function()
    local ex = inline()
    local fs = { ex:submit(math.abs, -1), ex:submit(math.abs, -2), ex:submit(error, "x") }
    local done, not_done = tidepool.wait(fs)
    assert.same({ 3, 0 }, { #done, #not_done })
    local n = 0
    for f in tidepool.as_completed(fs) do n = n + (f:pcall() and 1 or 10) end
    assert.equal(12, n)
    local called = 0
    fs[1]:add_done_callback(function(f) called = called + f:result() end)
    assert.equal(1, called)
    local p = tidepool.future()
    p:add_done_callback(function(f) called = called + f:result() end)
    ex:submit(function(promise) promise:set_result(40) end, p):result()
    assert.equal(40, p:result())
    assert.equal(41, called)
  end)

  it("calls no callback of the script inside a task", function()
    local ex, p = inline(), tidepool.future()
    local inside
    p:add_done_callback(function() inside = tidepool.current_task() ~= nil end)
    ex:submit(function(promise)
      promise:set_result()
      promise:result()
      require "tidepool".future():cancel() -- pumps
    end, p)
    p:wait()
    assert.is_false(inside)
  end)

  it("has arrays and shares: those are one memory, these copies", function()
    local ex = inline()
    local a = tidepool.array("i64", 2)
    assert.equal(5, ex:submit(function(x)
      x[1] = 5
      return x[1]
    end, a):result())
    assert.equal(5, a[1])
    local value = { n = 1 }
    local s = tidepool.share(value)
    local function bump(x)
      local v = x:get()
      v.n = v.n + 1
      return v.n, rawequal(v, x:get())
    end
    assert.same({ 2, true }, { ex:submit(bump, s):result() })
    assert.same({ 3, true }, { ex:submit(bump, s):result() }) -- the same worker
    assert.equal(1, value.n)
    assert.is_true(rawequal(value, s:get()))
  end)

  it("counts its tasks, and has no threads", function()
    local ex = inline { max_workers = 8, thread_name_prefix = "in" }
    ex:submit(math.abs, -1):result()
    ex:submit(error, "x"):exception()
    local stats = ex:stats()
    assert.same({ 0, 0, 0, 2, 2, 1 }, { stats.workers, stats.running, stats.queued, stats.submitted,
      stats.finished, stats.failed })
    assert.equal(1, ex:submit(function(e) return e:stats().running end, ex):result())
    assert.equal("in", ex:name())
  end)

  it("can be shut down, and is then", function()
    local ex = inline()
    assert.is_true(ex:shutdown())
    assert.is_true(ex:shutdown { interrupt = true, timeout = 0 })
    h.raises("shutdown", ex.submit, ex, print)
    h.raises("shutdown", ex.map, ex, print, { 1 })
    local closed
    do
      local scoped <close> = tidepool.executor { inline = true }
      closed = scoped
      assert.equal(1, scoped:submit(math.abs, -1):result())
    end
    h.raises("shutdown", closed.submit, closed, print)
  end)

  it("refuses limits, which nothing could keep", function()
    for _, option in ipairs { "time_limit", "memory_limit" } do
      local err = h.fails("an inline executor has no threads", function()
        tidepool.executor { inline = true, [option] = 1000000 }
      end)
      h.contains("option '" .. option .. "'", err)
      assert.matches("^spec/lua/inline_spec.lua:%d+: ", err)
      local ex = inline()
      err = h.fails("an inline executor has no threads", function()
        ex:with { [option] = 1000000 }
      end)
      assert.matches("^spec/lua/inline_spec.lua:%d+: ", err)
    end
    h.fails("boolean expected", tidepool.executor, { inline = 1 })
  end)
end)

describe("Initializer and finalizer of an inline executor", function()
  after_each(h.finish)

  it("run at the first submit and at shutdown, in the worker's globals", function()
    local log
    local ex = inline {
      initializer = function(x)
        gate.add "init"
        log, BASE = { x }, x
      end,
      initargs = { 7 },
      finalizer = function() gate.add("final", log[1] + BASE + TASKS) end,
    }
    assert.equal(0, gate.get "init")
    assert.equal(7, ex:submit(function() return BASE end):result())
    ex:submit(function() TASKS = (TASKS or 0) + 100 end):result()
    assert.equal(1, gate.get "init")
    assert.is_nil(log)
    assert.is_nil(rawget(_G, "BASE"))
    assert.equal(0, gate.get "final")
    ex:shutdown()
    assert.equal(114, gate.get "final")
    ex:shutdown()
    assert.equal(114, gate.get "final")
  end)

  it("keep the worker's globals from those that come along", function()
    BASE = "script"
    local ex = inline { initializer = function() BASE = "initializer" end }
    assert.equal("initializer", ex:submit(function() return BASE end):result())
    assert.equal("script", BASE)
    BASE = nil
  end)

  it("make the executor broken where the initializer fails", function()
    local ex = inline {
      initializer = function() error "error in initializer" end,
      finalizer = function() gate.add "final" end,
    }
    local f = ex:submit(print)
    h.contains("the initializer failed: ", h.raises("broken", f.result, f).message)
    h.contains("error in initializer", h.raises("broken", ex.submit, ex, print).message)
    ex:shutdown()
    assert.equal(0, gate.get "final")
  end)

  it("run anew after max_tasks_per_worker, and for each task with isolation", function()
    local both = { { isolation = "task" }, { max_tasks_per_worker = 2 } }
    for tasks, options in ipairs(both) do
      options.initializer = load(("local gate = require 'gate' gate.add 'init%d'"):format(tasks))
      options.finalizer = load(("local gate = require 'gate' gate.add 'final%d'"):format(tasks))
      local ex = inline(options)
      for _ = 1, 4 do ex:submit(math.abs, 1):result() end
      assert.equal(4 // tasks, gate.get("init" .. tasks))
      ex:shutdown()
      assert.equal(4 // tasks, gate.get("final" .. tasks))
    end
  end)

  it("run when the executor is collected", function()
    tidepool.executor { inline = true, finalizer = function() gate.add "final" end }
      :submit(math.abs, 1):result()
    collectgarbage()
    collectgarbage()
    assert.equal(1, gate.get "final")
  end)

  it("run at the end of the script, before objects of tasks are finalised", function()
    local out = h.runs [[
      local tidepool = require "tidepool"
      local ex = tidepool.executor {
        inline = true,
        initializer = function() FILE = io.tmpfile() end,
        finalizer = function() print("final", io.type(FILE), io.type(SECOND)) end,
      }
      ex:submit(function() SECOND = io.tmpfile() end):result()
      print "end"]]
    assert.equal("end\nfinal\tfile\tfile\n", out)
  end)

  it("are warned of where the finalizer fails", function()
    local r = h.run_script([[
      local tidepool = require "tidepool"
      local ex = tidepool.executor { inline = true, finalizer = function() error "it broke" end }
      ex:submit(print, "task")
      ex:shutdown()
      print "goes on"]], { flags = "-W" })
    assert.equal("task\ngoes on\n", r.stdout)
    h.contains("tidepool: error in the finalizer of a worker: ", r.stderr)
    h.contains("it broke", r.stderr)
  end)

  it("are released when a task shuts its executor down", function()
    local ex = inline { finalizer = function() gate.add "final" end }
    assert.is_true(ex:submit(function(e) return e:shutdown { wait = false } end, ex):result())
    assert.equal(1, gate.get "final")
    h.raises("shutdown", ex.submit, ex, print)
  end)
end)

-- As luacov does: a line hook that counts lines by their file; and as a debugger does: one that
-- stops at a line, reads a local and sets it.
describe("A hook of the script", function()
  after_each(h.finish)

  it("sees each line of a task, by file and number, also in maps", function()
    local lines = {}
    local first = debug.getinfo(1, "l").currentline + 1
    local function work(x)
      local y = x + 1
      if y > 100 then
        y = -1
      end
      return y
    end
    local ex = inline()
    debug.sethook(function(_, line)
      local source = debug.getinfo(2, "S").source
      if source:find "inline_spec.lua$" then lines[line] = (lines[line] or 0) + 1 end
    end, "l")
    local one, list = ex:submit(work, 1), ex:map(work, { 1, 2, 3, 4, 5 }):collect()
    debug.sethook()
    assert.same({ 2, 6 }, { one:result(), list[5] })
    assert.same({ 6, 6, nil, 6 },
      { lines[first + 1], lines[first + 2], lines[first + 3], lines[first + 5] })
  end)

  it("stops in a task, reads its locals and upvalues, and sets them", function()
    local ex, upvalue = inline(), "up"
    local at = debug.getinfo(1, "l").currentline + 4
    local function work(given)
      local secret = given * 2
      local seen = upvalue
      return secret, seen
    end
    local found
    debug.sethook(function(_, line)
      if line ~= at then return end
      local info = debug.getinfo(2, "Sf")
      if not info.source:find "inline_spec.lua$" then return end
      found = { select(2, debug.getlocal(2, 1)), select(2, debug.getlocal(2, 2)) }
      found[3] = select(2, debug.getupvalue(info.func, 1))
      debug.setlocal(2, 2, "set")
    end, "l")
    local f = ex:submit(work, 21)
    debug.sethook()
    assert.same({ 21, 42, "up" }, found)
    assert.same({ "set", "up" }, { f:result() })
  end)

  it("profiles calls", function()
    local calls = 0
    local ex = inline()
    local function leaf() end
    debug.sethook(function()
      local info = debug.getinfo(2, "S")
      if info.source:find "inline_spec.lua$" and info.what == "Lua" then calls = calls + 1 end
    end, "c")
    ex:submit(function() for _ = 1, 10 do leaf() end end)
    debug.sethook()
    assert.equal(11, calls)
  end)
end)
