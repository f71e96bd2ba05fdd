-- Ctrl-C: nothing that is queued starts before the script has cancelled it. If the end of the
-- script takes long, a warning says so.
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it = h.busted()
local assert = require "luassert"

-- A build tool: commands in a row, one worker. Each says that it has begun; the first waits until
-- the script sleeps. As at a terminal, the signal is sent to the whole process group.
local tool = [[
  local process, gate = require "process", require "gate"
  local tidepool = require "tidepool"
  process.group()
  local ex <close> = tidepool.executor %s
  local main, fs = gate.thread_id(), {}
  for i = 1, 20 do
    fs[i] = ex:submit(function(i)
      if i == 1 then gate.asleep(main) end
      return (select(3, os.execute((i == 1 and "echo ready;" or "echo begun;") .. [=[%s]=])))
    end, i)
  end
  %s
]]

local waits = {
  "fs[1]:result() fs[20]:result()", "fs[20]:result(600)", "tidepool.wait(fs)", "ex:shutdown()",
  "for f in tidepool.as_completed(fs) do f:result() end", "",
}

describe("After Ctrl-C no queued task starts", function()
  for _, command in ipairs {
    "exec sleep 100", "sleep 100", "trap 'kill $!; exit 0' INT; sleep 100 & wait",
    "trap 'kill $!; exit 3' INT; sleep 100 & wait",
  } do
    it(("when it ends the command that runs, %s"):format(command), function()
      for _, wait in ipairs(waits) do
        local r = h.interrupt(tool:format("(1)", command, wait), "sleep")
        assert.is_true(r.ready, r.stderr)
        assert.equal("", r.rest, wait)
        assert.equal(1, r.status, r.stderr)
        h.contains("interrupted!", r.stderr)
      end
    end)
  end

  it("in an outer executor while an inner one waits for what runs", function()
    local r = h.interrupt([[
      local process, gate = require "process", require "gate"
      process.group()
      local tidepool = require "tidepool"
      local main = gate.thread_id()
      local outer <close> = tidepool.executor(1)
      local inner <close> = tidepool.executor(1)
      local slow = inner:submit(function() -- continues for a while after the signal
        os.execute "trap '' INT; sleep 3"
      end)
      local first = outer:submit(function()
        gate.asleep(main)
        os.execute "echo ready; exec sleep 100"
      end)
      outer:submit(function()
        io.stdout:write "begun\n"
        io.stdout:flush()
      end)
      slow:result()
    ]], "sleep")
    assert.is_true(r.ready, r.stderr)
    assert.equal("", r.rest)
    h.contains("interrupted!", r.stderr)
  end)
end)

describe("<close> of a daemon", function()
  it("ends at the first Ctrl-C", function()
    for _, wait in ipairs { "f:result()", "" } do
      local r = h.interrupt(([[
        local tidepool, gate = require "tidepool", require "gate"
        local main = gate.thread_id()
        local ex <close> = tidepool.executor { max_workers = 1, daemon = true }
        local f = ex:submit(function()
          gate.asleep(main)
          io.stdout:write "ready\n"
          io.stdout:flush()
          while true do end
        end)
        ex:submit(print, "begun")
        %s
      ]]):format(wait))
      assert.is_true(r.ready, r.stderr)
      assert.equal("", r.rest)
      h.contains("interrupted!", r.stderr)
      assert.equal(1, r.status)
    end
  end)

  it("ends with an error of the script", function()
    local r = h.run_script([[
      local ex <close> = require "tidepool".executor { max_workers = 1, daemon = true }
      ex:submit(function() while true do end end)
      error "a bug"
    ]])
    assert.equal(1, r.status)
    h.contains("a bug", r.stderr)
  end)
end)

describe("An end that takes more than two seconds", function()
  it("causes a warning, with the error that is not shown yet", function()
    local r = h.run_script([[
      local ex <close> = require "tidepool".executor { max_workers = 2, time_limit = 6 }
      local f = ex:with { name = "crunch" }:submit(function() while true do end end)
      local g = ex:submit(function() while true do end end)
      while not (f:running() and g:running()) do end
      local t = nil
      print(t.x)
    ]], { flags = "-W" })
    assert.equal(1, r.status)
    local warning = r.stderr:match "Lua warning: (tidepool: an error ends a block[^\n]*)"
    assert.is_string(warning, r.stderr)
    for _, words in ipairs { "2 running tasks", "crunch", "1 without a name", "daemon = true",
      "interrupt = true", "attempt to index a nil value" } do
      h.contains(words, warning)
    end
  end)

  it("causes a warning when the state closes", function()
    local r = h.run_script([[
      local ex = require "tidepool".executor { max_workers = 1, time_limit = 6 }
      ex:with { name = "crunch" }:submit(function() while true do end end)
    ]], { flags = "-W" })
    assert.equal(0, r.status)
    local warning = r.stderr:match "Lua warning: (tidepool: the script ends[^\n]*)"
    assert.is_string(warning, r.stderr)
    for _, words in ipairs { "1 running task ", "crunch", "daemon = true", "interrupt = true" } do
      h.contains(words, warning)
    end
  end)

  it("says nothing else, and nothing without -W", function()
    h.runs([[
      local ex = require "tidepool".executor { max_workers = 1 }
      ex:submit(os.execute, "sleep 2.5")
    ]], 0)
    local r = h.run_script([[
      local ex <close> = require "tidepool".executor(1)
      ex:submit(math.abs, 1)
      error "a bug"
    ]], { flags = "-W" })
    assert.is_nil(r.stderr:find("Lua warning", 1, true))
  end)
end)
