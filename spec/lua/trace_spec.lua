-- What a task can read of itself, where its name is shown, and tidepool.traceback.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"
local tidepool = require "tidepool"

local function current() return require "tidepool".current_task() end

describe("The current task's worker and id", function()
  after_each(h.finish)

  it("are the index in its thread's name, and a number of its own", function()
    local ex = h.pool { max_workers = 3, thread_name_prefix = "wid" }
    local g = gate.new()
    local fs = {}
    for i = 1, 3 do
      fs[i] = ex:submit(function()
        gate.wait(g)
        local task = require "tidepool".current_task()
        return gate.thread_name(), task.worker, task.id
      end)
    end
    h.eventually(function() return gate.parked(g) == 3 end)
    gate.open(g)
    local ids = {}
    for i = 1, 3 do
      local name, worker, id = fs[i]:result()
      assert.equal("wid_" .. worker, name)
      assert.equal("integer", math.type(id))
      assert.is_true(id >= 1)
      assert.is_nil(ids[id])
      ids[id] = true
    end
  end)

  it("stay the same in a task, and are new for the next", function()
    local ex = h.pool(1)
    local function twice()
      local t = require "tidepool"
      local first, second = t.current_task(), coroutine.wrap(t.current_task)()
      return first.id, second.id, first.worker, second.worker
    end
    local a, b, w, v = ex:submit(twice):result()
    assert.same({ a, 0, 0 }, { b, w, v })
    local c = ex:submit(twice):result()
    assert.is_true(c > a)
  end)

  it("are those of the inner task where one runs inside another", function()
    local ex = h.pool(1)
    local outer, inner, after = ex:submit(function()
      local t = require "tidepool"
      local id = t.current_task().id
      local inside = ex:submit(function() return require "tidepool".current_task().id end):result()
      return id, inside, t.current_task().id
    end):result()
    assert.equal(outer, after)
    assert.not_equal(outer, inner)
  end)

  it("are numbers of a map's items, too", function()
    local seen, n = {}, 0
    for _, id in h.pool(2):map(function() return current().id end, { 1, 2, 3 }) do
      if not seen[id] then n = n + 1 end
      seen[id] = true
    end
    assert.equal(3, n)
  end)

  it("are there in an inline executor, too", function()
    local ex = h.pool { inline = true }
    local a = ex:submit(current):result()
    local inside, b = ex:submit(function()
      local own = require "tidepool".current_task()
      return ex:submit(function() return require "tidepool".current_task() end):result(), own
    end):result()
    assert.same({ 0, 0, 1 }, { a.worker, b.worker, inside.worker })
    assert.not_equal(a.id, b.id)
    assert.not_equal(b.id, inside.id)
    assert.is_nil(tidepool.current_task())
    local f = ex:with { name = "fetch x" }:submit(error, "no")
    h.contains("(in task 'fetch x')", f:traceback())
  end)

  it("do not exist elsewhere", function() assert.is_nil(tidepool.current_task()) end)
end)

describe("A task's name", function()
  after_each(h.finish)

  it("is in tostring of its future, beside the status", function()
    local ex, g = h.pool(1), gate.new()
    local f = ex:with { name = "fetch x" }:submit(function() gate.wait(g) end)
    h.eventually(function() return f:running() end)
    assert.matches("^tidepool%.future: %S+ %(running%): fetch x$", tostring(f))
    local q = ex:with { name = "100%s" }:submit(print)
    assert.matches("%(pending%): 100%%s$", tostring(q))
    q:cancel()
    assert.matches("%(cancelled%): 100%%s$", tostring(q))
    gate.open(g)
    f:result()
    assert.matches("%(finished%): fetch x$", tostring(f))
    assert.matches("%(finished%)$", tostring(ex:submit(function() end)):gsub("pending", "finished")
      :gsub("running", "finished"))
    assert.matches("%(pending%)$", tostring(tidepool.future()))
  end)

  it("is in tostring where the future was sent", function()
    local ex = h.pool(2)
    local f = ex:with { name = "sent" }:submit(function() end)
    assert.matches(": sent$", ex:submit(tostring, f):result())
  end)

  it("is in tracebacks, of maps' items too", function()
    local ex = h.pool(2)
    local named = ex:with { name = "fetch x" }
    local f = named:submit(error, "no")
    f:wait()
    assert.matches("\n\t%(in task 'fetch x'%)$", f:traceback())
    f = ex:submit(error, "no")
    f:wait()
    assert.is_nil(f:traceback():find("in task", 1, true))
    for _, size in ipairs { 1, 2 } do
      local it_ = named:with { chunksize = size }:map(error, { "a", "b" })
      h.fails("a", it_)
      h.contains("(in task 'fetch x')", it_:traceback())
    end
    f = named:with { time_limit = 0.01 }:submit(function() while true do end end)
    f:wait()
    h.contains("(in task 'fetch x')", f:traceback())
  end)

  it("is in warnings", function()
    gate.warnings()
    local ex = h.pool(1)
    local f = ex:with { name = "fetch x" }:submit(error, "no")
    f:wait()
    f = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    local text = table.concat(gate.warnings(), "\n")
    h.contains("task 'fetch x' failed and its error was never read", text)
    h.contains("(in task 'fetch x')", text)
  end)
end)

-- Returns the text for an error that the script does not catch.
local function uncaught(fn, ...)
  local ok, text = xpcall(fn, tidepool.traceback, ...)
  assert.is_false(ok)
  assert.is_string(text)
  return text
end

describe("tidepool.traceback", function()
  after_each(h.finish)

  local function deep_in_a_task(value) error(value, 0) end
  local function task(value)
    deep_in_a_task(value)
    return 1
  end

  local function has_both(text, message)
    assert.equal(message, text:sub(1, #message))
    local script, worker = text:match "^(.-)\n\nthe error came out of a task:\n(.*)$"
    assert.is_string(script, text)
    h.contains("stack traceback:", script)
    h.contains("trace_spec.lua", script)
    h.contains("stack traceback:", worker)
    h.contains("deep_in_a_task", worker)
    assert.is_nil(script:find("deep_in_a_task", 1, true))
  end

  it("has the worker's traceback behind the script's", function()
    local ex = h.pool(1)
    has_both(uncaught(function() ex:submit(task, "boom"):result() end), "boom")
    local object = setmetatable({}, { __tostring = function() return "an object" end })
    has_both(uncaught(function() ex:submit(task, object):result() end), "an object")
    has_both(uncaught(function() ex:submit(task, { 1 }):result() end),
      "(error object is a table value)")
    has_both(uncaught(function() ex:submit(task, 42):result() end), "42")
  end)

  it("has it for maps", function()
    local ex = h.pool(2)
    for _, size in ipairs { 1, 2 } do
      local view = ex:with { chunksize = size }
      has_both(uncaught(function() for _ in view:map(task, { "boom", "x" }) do end end), "boom")
      has_both(uncaught(function() view:map(task, { "boom", "x" }):collect() end), "boom")
      has_both(uncaught(function() view:map(task, { "boom", "x" }):drain() end), "boom")
    end
  end)

  it("has it where the error is raised again", function()
    local ex = h.pool(1)
    has_both(uncaught(function()
      local ok, err = ex:submit(task, "boom"):pcall()
      if not ok then error(err, 0) end
    end), "boom")
    local text = uncaught(function()
      local f = ex:submit(task, "boom")
      error(f:exception())
    end)
    assert.matches("^[^:]*trace_spec%.lua:%d+: boom\n", text)
    h.contains("deep_in_a_task", text)
    has_both(uncaught(function()
      local ok, err = pcall(function() ex:submit(task, "boom"):result() end)
      for i = 1, 3 do ex:submit(task, "other " .. i):pcall() end
      if not ok then error(err, 0) end
    end), "boom")
  end)

  it("has it once, however many handlers there are", function()
    local ex = h.pool(1)
    local text = uncaught(function()
      local _, err = xpcall(function() ex:submit(task, "boom"):result() end, tidepool.traceback)
      error(err, 0)
    end)
    local _, n = text:gsub("came out of a task", "")
    assert.equal(1, n)
  end)

  it("is debug.traceback for other errors", function()
    h.pool(1):submit(task, "boom"):pcall()
    local text = uncaught(function() error "mine" end)
    assert.matches("^[^:]*trace_spec%.lua:%d+: mine\nstack traceback:\n", text)
    assert.is_nil(text:find("came out of a task", 1, true))
    text = uncaught(function() error() end)
    h.contains("(error object is a nil value)", text)
    local bad = setmetatable({}, { __tostring = function() error "bad" end })
    h.contains("(error object is a table value)", uncaught(error, bad))
    h.contains("(error object is a table value)",
      uncaught(error, setmetatable({}, { __tostring = function() return {} end })))
    h.fails("bad argument #1 to 'traceback' (value expected)", tidepool.traceback)
  end)

  it("keeps no error object alive", function()
    local ex = h.pool(1)
    local weak = setmetatable({}, { __mode = "k" })
    local ok, err = ex:submit(task, {}):pcall()
    assert.is_false(ok)
    weak[err] = true
    ok, err = nil, nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("is for a script's main function", function()
    local r = h.run_script [[
      local tidepool = require "tidepool"
      local ex <close> = tidepool.executor(1)
      local function inner() error "no such luck" end
      local ok, text = xpcall(function()
        ex:with { name = "first" }:submit(function() inner() return 1 end):result()
      end, tidepool.traceback)
      if not ok then
        io.stderr:write(text, "\n")
        os.exit(1, true)
      end
    ]]
    assert.equal(1, r.status)
    h.contains("no such luck", r.stderr)
    h.contains("upvalue 'inner'", r.stderr)
    h.contains("(in task 'first')", r.stderr)
  end)
end)
