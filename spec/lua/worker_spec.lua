-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

describe("print in a worker", function()
  it("writes whole lines, from many tasks at once", function()
    local out = h.runs [[
      local ex <close> = require "tidepool".executor(8)
      local gate = require "gate"
      local g = gate.new()
      for i = 1, 8 do
        ex:submit(function()
          gate.wait(g)
          for k = 1, 200 do print("task", i, k, ("x"):rep(i * 10), nil, true) end
        end)
      end
      gate.arrived(g, 8)
      gate.open(g)
    ]]
    local n = 0
    for line in out:gmatch "(.-)\n" do
      n = n + 1
      local i, k, xs = line:match "^task\t(%d)\t(%d+)\t(x+)\tnil\ttrue$"
      assert(i, "torn line: " .. line)
      assert(#xs == tonumber(i) * 10 and tonumber(k) <= 200)
    end
    assert.equal(1600, n)
  end)

  it("uses __tostring and __name as Lua's print does", function()
    assert.equal("shown\t1\t1.0\tnil\n\n", h.runs [[
      local ex <close> = require "tidepool".executor(1)
      local shown = setmetatable({}, { __tostring = function() return "shown" end })
      ex:submit(print, shown, 1, 1.0, nil)
      ex:submit(print)
    ]])
  end)

  it("comes out before the task is done", function()
    assert.equal("from the task\nfrom the owner\n", h.runs [[
      local ex <close> = require "tidepool".executor(1)
      ex:submit(print, "from the task"):result()
      print "from the owner"
    ]])
  end)
end)

describe("os.exit in a worker", function()
  after_each(h.finish)

  it("raises instead of ending the process", function()
    local ex = h.pool(1)
    for _, args in ipairs { {}, { 0 }, { true }, { 1, true } } do
      local f = ex:submit(os.exit, table.unpack(args))
      h.contains("os.exit", tostring(f:exception()))
    end
    assert.equal(1, ex:submit(function() return 1 end):result())
  end)

  it("can be caught by pcall like any error", function()
    assert.is_false((h.pool(1):submit(function() return pcall(os.exit, 0) end):result()))
  end)
end)

describe("A worker's paths", function()
  local path, cpath
  after_each(function()
    package.path, package.cpath = path or package.path, cpath or package.cpath
    path, cpath = nil, nil
    h.finish()
  end)

  it("are package.path and package.cpath of the submitter", function()
    path, cpath = package.path, package.cpath
    package.path = path .. ";/nowhere/?.lua"
    package.cpath = cpath .. ";/nowhere/?.so"
    local p, c = h.pool(1):submit(function() return package.path, package.cpath end):result()
    assert.equal(package.path, p)
    assert.equal(package.cpath, c)
  end)

  it("let it require what the submitter can", function()
    path = package.path
    package.path = path .. ";spec/support/?.lua"
    assert.equal(8, h.pool(1):submit("sample.double", 4):result())
  end)

  it("have the submitter's C functions of package.preload", function()
    local out = h.runs [[
      local gate = require "gate"
      local open = package.loadlib(package.searchpath("gate", package.cpath), "luaopen_gate")
      package.preload["gate.preloaded"] = open
      local ex <close> = require "tidepool".executor(1)
      print(ex:submit(function() return type(require "gate.preloaded".wait) end):result())
    ]]
    assert.equal("function\n", out)
  end)
end)

describe("A worker's thread", function()
  after_each(h.finish)

  it("has SIGINT and SIGTERM blocked, the owner's has not", function()
    assert.is_false(gate.blocked(gate.SIGINT))
    assert.is_true(h.pool(1):submit(gate.blocked):result())
    assert.is_false(gate.blocked(gate.SIGINT))
  end)

  it("is the same for tasks that follow each other on one worker", function()
    local ex = h.pool(1)
    local id = ex:submit(gate.thread_id):result()
    for _ = 1, 5 do assert.equal(id, ex:submit(gate.thread_id):result()) end
  end)
end)

describe("A worker's state", function()
  after_each(h.finish)

  it("keeps globals between tasks", function()
    local ex = h.pool(1)
    ex:submit(function() _G.kept = { 1 } end):result()
    ex:submit(function() table.insert(_G.kept, 2) end):result()
    assert.same({ 1, 2 }, ex:submit(function() return _G.kept end):result())
    assert.is_nil(_G.kept)
  end)

  it("keeps loaded modules between tasks", function()
    local ex = h.pool(1)
    ex:submit(function() require "spec.support.sample".note = "left here" end):result()
    assert.equal("left here",
      ex:submit(function() return require "spec.support.sample".note end):result())
    assert.is_nil(require "spec.support.sample".note)
  end)

  it("is not shared by two workers", function()
    local ex, g = h.pool(2), gate.new()
    local function mark()
      _G.marks = (_G.marks or 0) + 1
      gate.wait(g)
      return _G.marks
    end
    local a, b = ex:submit(mark), ex:submit(mark)
    gate.arrived(g, 2)
    gate.open(g)
    assert.same({ 1, 1 }, { a:result(), b:result() })
  end)

  it("has all the standard libraries", function()
    local names = h.pool(1):submit(function()
      local list = {}
      for _, name in ipairs { "coroutine", "debug", "io", "math", "os", "package", "string",
        "table", "utf8" } do
        list[#list + 1] = type(_G[name])
      end
      return table.concat(list, " ")
    end):result()
    assert.equal(("table "):rep(9):sub(1, -2), names)
  end)

  it("collects as before after a large call, also one that it cannot read", function()
    local ex = h.pool(1)
    local broken = setmetatable({}, { __transfer = function() return "spec.nowhere.rebuild" end })
    for _, extra in ipairs { 1, broken } do
      local f = ex:submit(select, "#", ("x"):rep(2 << 20), extra)
      if extra == broken then h.contains("spec.nowhere", tostring(f:exception())) end
      f:wait()
      local most = ex:submit(function()
        local most = 0
        for i = 1, 48 * 1024 do
          local _ = ("g"):rep(1000) .. i
          most = math.max(most, collectgarbage "count")
        end
        return most
      end):result()
      assert.is_true(most < 24 * 1024, most)
    end
  end)

  it("is closed with its objects finalised", function()
    local ex = h.pool(1)
    ex:submit(function()
      _G.last = setmetatable({}, { __gc = function() gate.add "finalised" end })
    end):result()
    assert.equal(0, gate.get "finalised")
    ex:shutdown()
    assert.equal(1, gate.get "finalised")
  end)
end)

-- How often it was called in this state; the name is computed, else the count would be sent along.
local function count(name)
  _G[name] = (_G[name] or 0) + 1
  return _G[name]
end

describe("max_tasks_per_worker", function()
  after_each(h.finish)

  it("counts tasks that failed, were interrupted or went past a limit, too", function()
    local ends = {
      error = function(ex) return ex:submit(error, "x") end,
      interrupted = function(ex)
        local g = gate.new()
        local f = ex:submit(function(gate_)
          gate.open(gate_)
          while true do end
        end, g)
        gate.wait(g)
        f:interrupt()
        return f
      end,
      time_limit = function(ex)
        return ex:with({ time_limit = 0.001 }):submit(function() while true do end end)
      end,
      memory_limit = function(ex)
        return ex:with({ memory_limit = 100000 }):submit(string.rep, "x", 1000000)
      end,
    }
    for name, fail in pairs(ends) do
      local ex = h.pool { max_workers = 1, max_tasks_per_worker = 3 }
      assert.equal(1, ex:submit(count, "SEEN"):result())
      assert.equal(name, tidepool.error_kind(fail(ex):exception()) or "error")
      assert.equal(2, ex:submit(count, "SEEN"):result(), name)
      assert.equal(1, ex:submit(count, "SEEN"):result(), name)
    end
  end)

  it("does not count cancelled tasks, which never ran", function()
    local ex, g = h.pool { max_workers = 1, max_tasks_per_worker = 3 }, gate.new()
    ex:submit(gate.wait, g)
    gate.arrived(g, 1)
    for _ = 1, 5 do assert.is_true(ex:submit(count, "SEEN"):cancel()) end
    gate.open(g)
    assert.equal(1, ex:submit(count, "SEEN"):result())
    assert.equal(2, ex:submit(count, "SEEN"):result())
  end)

  it("never replaces the state of a task that waits", function()
    local ex = h.pool { max_workers = 1, max_tasks_per_worker = 2 }
    local f = ex:submit(function(ex_, count_)
      count_ "MINE"
      local seen = {}
      for i = 1, 5 do seen[i] = ex_:submit(count_, "SEEN"):result() end
      return count_ "MINE", table.concat(seen, " ")
    end, ex, count)
    local mine, children = f:result()
    assert.equal(2, mine)
    assert.equal("1 2 1 2 1", children) -- in a state of their own, two in each
  end)
end)

describe("idle_timeout", function()
  after_each(h.finish)

  it("is not for a thread whose task waits", function()
    local ex, p = h.pool { max_workers = 1, idle_timeout = 0 }, tidepool.future()
    local f = ex:submit(function(p_, count_)
      count_ "MINE"
      p_:wait(600)
      return count_ "MINE"
    end, p, count)
    h.eventually(function() return ex:stats().running == 1 end, "it runs")
    assert.equal(5, ex:submit(function() return 5 end):result(60)) -- on another thread, which ends
    h.eventually(function() return ex:stats().workers == 1 end, "one thread is left")
    p:set_result()
    assert.equal(2, f:result(60))
    h.eventually(function() return ex:stats().workers == 0 end, "all threads end")
  end)
end)

describe("tidepool.current_task", function()
  after_each(h.finish)

  it("is nil outside of a worker", function()
    assert.is_nil(tidepool.current_task())
  end)

  it("has the task's name, the empty string if it was given none", function()
    local ex = h.pool(1)
    local function name() return require "tidepool".current_task().name end
    assert.equal("mine", ex:with({ name = "mine" }):submit(name):result())
    assert.equal("", ex:submit(name):result())
  end)

  it("works with tidepool as an upvalue", function()
    assert.is_true(h.pool(1):submit(function() return tidepool.current_task() ~= nil end):result())
  end)
end)

describe("A worker's stack", function()
  after_each(h.finish)

  it("is large enough for all that Lua lets nest: an error, no crash", function()
    local function nest(depth)
      local reached = depth
      local ok, err = pcall(string.gsub, "x", "x", function() reached = nest(depth + 1) end)
      if not ok and not tostring(err):find "overflow" then error(err, 0) end
      return reached
    end
    local ex, list = h.pool(1), {}
    local inner = list
    for _ = 1, 900 do
      inner[1] = {}
      inner = inner[1]
    end
    assert.is_true(ex:submit(nest, 1):result() > 40)
    assert.equal("table", type(ex:submit(function(t) return t end, list):result()))
    assert.is_true(ex:submit(function(f, t)
      local deep -- a message as deep as can be, written where the stack is deep
      local function go(n)
        if n > 0 then return ("x"):gsub("x", function() go(n - 1) end) end
        deep = tidepool.future()
        deep:set_result(t)
      end
      go(40)
      return f(1) > 40 and deep:result() ~= nil
    end, nest, list):result())
  end)
end)

describe("warn in a worker", function()
  after_each(h.finish)

  it("writes on stderr once it was switched on, and not any more when it is off", function()
    local r = h.run_script [[
      local ex <close> = require "tidepool".executor(1)
      ex:submit(function()
        warn "one"
        warn "@on"
        warn("two", " and ", "a half")
        warn "@unknown"
        warn "@off"
        warn "three"
      end):result()
      assert(ex:submit(function() warn "four" return true end):result())
    ]]
    assert.equal(0, r.status)
    assert.equal("Lua warning: two and a half\n", r.stderr)
  end)
end)

describe("tidepool in a worker", function()
  after_each(h.finish)

  it("makes executors of its own, which end with the worker's state", function()
    local ex = h.pool(1)
    local f = ex:submit(function()
      local inner = require "tidepool".executor(1)
      return inner:submit(function() return "inside" end):result()
    end)
    assert.equal("inside", f:result())
    ex:shutdown()
  end)

  it("submits to its own executor from a task", function()
    local ex = h.pool(1)
    local f = ex:submit(function() return ex:submit(string.upper, "later") end)
    assert.equal("LATER", f:result():result())
  end)
end)

describe("tidepool.cpu_count", function()
  it("is an integer of at least 1, and respects CPU affinity", function()
    assert.equal("integer", math.type(tidepool.cpu_count()))
    assert.is_true(tidepool.cpu_count() >= 1)
    assert.equal("1\n", h.runs("print(require 'tidepool'.cpu_count())", 0,
      { prefix = "taskset -c $(taskset -cp $$ | sed 's/.*: *//; s/[,-].*//')" }))
  end)
end)

describe("require 'tidepool'", function()
  it("has no effect but to load the module", function()
    assert.equal("1 true\n", h.runs [[
      local gate = require "gate"
      local before = {}
      for name in pairs(_G) do before[name] = true end
      local tidepool = require "tidepool"
      for name in pairs(_G) do assert(before[name], name) end
      io.write(gate.threads(), " ", tostring(type(tidepool._VERSION) == "string"), "\n")
    ]])
  end)
end)

describe("os.execute in a worker", function()
  after_each(h.finish)

  it("gives the same results as Lua's own", function()
    local ex = h.pool(1)
    for _, command in ipairs { "true", "exit 3", "kill -TERM $$", "exec no-such 2>/dev/null" } do
      local there = table.pack(ex:submit(os.execute, command):result())
      assert.same(table.pack(os.execute(command)), there)
    end
    assert.equal(os.execute(), ex:submit(os.execute):result())
  end)

  it("does not pass the worker's blocked signals on", function()
    local f = h.pool(1):submit(os.execute, "kill -TERM $$; exit 0")
    assert.same({ nil, "signal", 15 }, { f:result() })
  end)
end)
