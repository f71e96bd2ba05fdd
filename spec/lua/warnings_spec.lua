-- Warnings in workers: on or off as in the script.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"

local start = [[
  local tidepool = require "tidepool"
  local ex = tidepool.executor(2)
  local function say(...) warn(...) end
]]

local function stderr(code, flags, status)
  local r = h.run_script(start .. code, { flags = flags })
  assert.equal(status or 0, r.status)
  return r.stderr
end

describe("A warning of a task", function()
  it("is shown if the script's are, by -W or warn '@on'", function()
    local code = "ex:submit(say, 'one', ' and ', 'two'):result()"
    assert.equal("", stderr(code))
    assert.equal("Lua warning: one and two\n", stderr(code, "-W"))
    assert.equal("Lua warning: one and two\n", stderr("warn '@on' " .. code))
    assert.equal("", stderr("warn '@off' " .. code, "-W"))
  end)

  it("follows what the script switches at any time", function()
    assert.equal("Lua warning: b\nLua warning: e\n", stderr [[
      ex:submit(say, "a"):result()
      warn "@on"
      ex:submit(say, "b"):result()
      warn "@off"
      ex:submit(say, "c"):result()
      ex:submit(say, "d"):result()
      warn "@on"
      local f = ex:submit(say, "e")
      while not f:done() do end
      warn "@off"
    ]])
  end)

  it("comes in order, among the script's own", function()
    assert.equal("Lua warning: 1\nLua warning: 2\nLua warning: 3\nLua warning: 4\n", stderr([[
      warn "1"
      ex:submit(function() warn "2" warn "3" end):result()
      warn "4"
    ]], "-W"))
  end)

  it("comes as a whole line, from many tasks at once, and none is lost", function()
    local text = stderr([[
      local function many(i)
        for k = 1, 50 do warn(("<%d "):format(i), ("x"):rep(i * 30), (" %d"):format(k), ">") end
      end
      local items = {}
      for i = 1, 40 do items[i] = i end
      tidepool.executor(8):map(many, items):collect()
    ]], "-W")
    local seen, n = {}, 0
    for line in text:gmatch "(.-)\n" do
      local i, xs, k = line:match "^Lua warning: <(%d+) (x+) (%d+)>$"
      assert(i, line)
      assert.equal(30 * i, #xs)
      assert.is_nil(seen[i .. " " .. k])
      seen[i .. " " .. k], n = true, n + 1
    end
    assert.equal(2000, n)
  end)

  it("comes while the script waits, not only behind that", function()
    local text = stderr([[
      local gate = require "gate"
      local g = gate.new()
      local f = ex:submit(function() warn "now" gate.wait(g) end)
      gate.arrived(g, 1)
      assert(not f:wait(0.01))
      io.stderr:write "waited\n"
      gate.open(g)
    ]], "-W")
    assert.equal("Lua warning: now\nwaited\n", text)
  end)

  it("comes at the end of a script that never waits, however it ends", function()
    assert.equal("Lua warning: late\n", stderr("ex:submit(say, 'late')", "-W"))
    assert.equal("Lua warning: late\n", stderr("ex:submit(say, 'late') os.exit(0, true)", "-W"))
    h.contains("Lua warning: late\n", stderr("ex:submit(say, 'late') error 'x'", "-W", 1))
    assert.equal("Lua warning: late\n", stderr([[
      local f = ex:submit(say, "late")
      while ex:stats().finished == 0 do end
      os.exit(0)
    ]], "-W"))
  end)

  it("comes from the library and from Lua itself, too", function()
    h.contains("Lua warning: error in __gc", stderr([[
      ex:submit(function()
        setmetatable({}, { __gc = function() error "in a finalizer" end })
        collectgarbage()
      end):result()
    ]], "-W"))
    local text = stderr([[
      ex:submit(function()
        do local inner = require "tidepool".executor(1)
          local f = inner:submit(error, "unseen")
          while f:status() ~= "finished" do end
        end
        collectgarbage()
        collectgarbage()
      end):result()
    ]], "-W")
    h.contains("Lua warning: tidepool: ", text)
    h.contains("unseen", text)
  end)

  it("comes from executors that tasks made, and from those they left", function()
    local text = stderr([[
      ex:submit(function(say_)
        local inner = require "tidepool".executor(1)
        inner:submit(function(s)
          require "tidepool".executor(1):submit(s, "of the third")
          s "of the second"
        end, say_)
      end, say):result()
    ]], "-W")
    local lines = {}
    for line in text:gmatch "(.-)\n" do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({ "Lua warning: of the second", "Lua warning: of the third" }, lines)
  end)

  it("comes from initializers and finalizers", function()
    assert.equal("Lua warning: first\nLua warning: task\nLua warning: last\n", stderr([[
      local other <close> = tidepool.executor {
        max_workers = 1, initializer = say, initargs = { "first" },
        finalizer = function() warn "last" end,
      }
      other:submit(say, "task"):result()
    ]], "-W"))
  end)
end)

describe("warn '@on' and '@off' in a task", function()
  it("are for that task alone", function()
    assert.equal("Lua warning: shown\nLua warning: again\n", stderr [[
      local ex <close> = tidepool.executor(1)
      ex:submit(function() warn "@on" warn "shown" end):result()
      ex:submit(say, "hidden"):result()
      warn "hidden, too"
      ex:submit(function()
        warn "@on" warn "@off" warn "hidden" warn "@on" warn "again"
      end):result()
    ]])
    assert.equal("Lua warning: task\nLua warning: script\n", stderr([[
      local ex <close> = tidepool.executor(1)
      ex:submit(function() warn "@off" warn "hidden" end):result()
      ex:submit(say, "task"):result()
      warn "script"
    ]], "-W"))
  end)

  it("are for all tasks of a worker in its initializer", function()
    assert.equal("Lua warning: a\nLua warning: b\n", stderr [[
      local ex <close> = tidepool.executor {
        max_workers = 1, initializer = warn, initargs = { "@on" },
      }
      ex:submit(say, "a"):result()
      ex:submit(function() warn "@off" warn "hidden" end):result()
      ex:submit(say, "b"):result()
    ]])
  end)
end)

describe("A warn function of the host's", function()
  after_each(h.finish)

  it("gets whole messages of tasks, on the script's thread", function()
    gate.warnings() -- its own function is there from now on
    gate.warnings()
    local ex = h.pool(2)
    ex:submit(function() warn("a", "b", "c") end):result()
    assert.same({ "abc" }, gate.warnings())
    ex:submit(function() warn "@ignored" warn(("long"):rep(20000), " end") end):result()
    assert.same({ ("long"):rep(20000) .. " end" }, gate.warnings())
    ex:submit(function() warn "x" end)
    h.eventually(function() return ex:stats().finished == 3 end)
    ex:poll()
    assert.same({ "x" }, gate.warnings())
  end)

  it("gets them at the next submit, too", function()
    gate.warnings()
    local ex = h.pool(1)
    ex:submit(function() warn "first" end)
    h.eventually(function() return ex:stats().finished == 1 end)
    ex:submit(function() end)
    assert.same({ "first" }, gate.warnings())
  end)
end)
