-- lua/tidepool/types.lua, the API reference, names exactly what exists: methods, options, fields.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local tidepool = require "tidepool"

-- Reads the reference: functions by class, fields by class, and the kinds of errors.
local function read_reference()
  local functions, fields, kinds, class = {}, {}, {}, nil
  local in_kinds = false
  for line in io.lines "lua/tidepool/types.lua" do
    local owner, name = line:match "^function ([%w_]+)[.:]([%w_]+)%("
    if owner then
      functions[owner] = functions[owner] or {}
      assert.is_nil(functions[owner][name], owner .. ":" .. name .. " is there twice")
      functions[owner][name] = true
    end
    class = line:match "^%-%-%-@class ([%w_.]+)" or class
    local field = line:match "^%-%-%-@field ([%w_]+)%??%s"
    if field then
      fields[class] = fields[class] or {}
      fields[class][field] = true
    end
    if line:find "@alias" then in_kinds = line:find("tidepool.kind", 1, true) ~= nil end
    local kind = in_kinds and line:match '^%-%-%-|%s*"([%w_]+)"'
    if kind then kinds[kind] = true end
  end
  return functions, fields, kinds
end

local functions, fields, kinds = read_reference()

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function methods_of(object)
  local names = {}
  for name, value in pairs(debug.getmetatable(object).__index) do
    if type(value) == "function" then names[name] = true end
  end
  return names
end

-- Returns the options that a call lists when it refuses one that it does not know.
local function options_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  local names = {}
  for name in err:match("known options: ([%w_, ]+)"):gmatch "[%w_]+" do names[name] = true end
  return names
end

local unknown = { no_such_option = 1 }

local function read(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

-- Returns what a pattern with one capture finds in a file, as a sorted list without duplicates.
local function found(name, pattern)
  local set = {}
  for word in read(name):gmatch(pattern) do
    assert.is_nil(set[word], ("%s: %s is there twice"):format(name, word))
    set[word] = true
  end
  return sorted(set)
end

-- Returns the words in backquotes in the first column of a table of docs/guide.md, each once. The
-- table is the first one below a heading.
local function first_column(heading)
  local text = read "docs/guide.md"
  local _, at = text:find("\n## " .. heading .. "\n", 1, true)
  assert(at, "docs/guide.md has no heading " .. heading)
  local rows = text:match("\n(|.-)\n\n", at)
  local set = {}
  for row in rows:gmatch "[^\n]+" do
    for name in (row:match "^| ([^|]*) |" or ""):gmatch "`([%w_]+)`" do
      assert.is_nil(set[name], name .. " is there twice")
      set[name] = true
    end
  end
  return sorted(set)
end

describe("The reference names exactly", function()
  after_each(h.finish)

  it("the functions of the module", function()
    local names = {}
    for name, value in pairs(tidepool) do
      if type(value) == "function" then
        names[name] = true
      else
        assert.is_true(fields.tidepool[name], name)
      end
    end
    assert.same(sorted(names), sorted(functions.tidepool))
    assert.same({ "_VERSION" }, sorted(fields.tidepool))
  end)

  it("the methods of executors", function()
    assert.equal("function", type(h.pool(1).map)) -- loads those that are written in Lua
    assert.same(sorted(methods_of(h.pool(1))), sorted(functions.executor))
  end)

  it("the methods of views", function()
    assert.same(sorted(methods_of(h.pool(1):with {})), sorted(functions.view))
  end)

  it("the methods of maps", function()
    assert.same(sorted(methods_of((h.pool(1):map(print, {})))), sorted(functions.map))
  end)

  it("the methods of futures", function()
    assert.same(sorted(methods_of(tidepool.future())), sorted(functions.future))
  end)

  it("the methods of shares", function()
    assert.same(sorted(methods_of(tidepool.share(1))), sorted(functions.share))
  end)

  it("the methods of arrays", function()
    assert.same(sorted(core.methods.array), sorted(functions.array))
    assert.equal(core.methods.array.fill, tidepool.array("u8", 1).fill)
  end)

  it("the options of executors, views, shutdown and wait", function()
    local ex = h.pool(1)
    local function options(class) return sorted(fields["tidepool." .. class]) end
    assert.same(sorted(options_of(tidepool.executor, unknown)), options "executor_options")
    assert.same(sorted(options_of(ex.with, ex, unknown)), options "task_options")
    assert.same(sorted(options_of(ex.shutdown, ex, unknown)), options "shutdown_options")
    assert.same(sorted(options_of(tidepool.wait, {}, unknown)), options "wait_options")
  end)

  it("the fields of stats, errors and the current task", function()
    local ex = h.pool(1)
    assert.same(sorted(ex:stats()), sorted(fields["tidepool.stats"]))
    local err = h.raises("timeout", tidepool.future().result, tidepool.future(), 0)
    assert.same(sorted(err), sorted(fields["tidepool.error"]))
    local task = ex:submit(function() return require "tidepool".current_task() end):result()
    assert.same(sorted(task), sorted(fields["tidepool.current_task"]))
  end)

  it("kinds that errors can have", function()
    for kind in pairs(kinds) do assert.equal(kind, core.error(kind, "x").kind) end
    h.fails("unknown kind 'no_such_kind'", core.error, "no_such_kind", "x")
  end)
end)

describe("The same are named by", function()
  after_each(h.finish)

  it("tidepool_types.h, the core and docs/guide.md: the kinds", function()
    local known = sorted(kinds)
    assert.same(known, found("csrc/include/tidepool_types.h", '\n  TIDE_E[A-Z]+, +/%* "([%w_]+)"'))
    assert.same(known, found("csrc/util/errcode.c", '%[TIDE_E[A-Z]+%] = "([%w_]+)"'))
    assert.same(known, first_column "Errors of the library")
  end)

  it("docs/guide.md: the options of executors", function()
    assert.same(sorted(fields["tidepool.executor_options"]), first_column "Options of an executor")
  end)

  it("docs/guide.md: the options of tasks", function()
    assert.same(sorted(fields["tidepool.task_options"]), first_column "Options of a task")
  end)
end)

describe("The reference", function()
  it("is Lua that does nothing", function()
    local before = sorted(_G)
    assert.is_table(dofile "lua/tidepool/types.lua")
    assert.same(before, sorted(_G))
  end)

  it("has a word on every function and method", function()
    local above
    for line in io.lines "lua/tidepool/types.lua" do
      if line:find "^function " then assert.matches("^%-%-%-", above, line) end
      above = line
    end
  end)
end)
