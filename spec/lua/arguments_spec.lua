-- Errors about arguments: they name public functions, and the script's line alone.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local core = require "tidepool.core"
local tidepool = require "tidepool"

local function nothing() end

-- Objects with a metamethod each that a careless check would call.
local function trap(event)
  return setmetatable({}, { [event] = function() error("a trap: " .. event, 0) end })
end

local values = {
  nil, 0, -1, 1.5, 0 / 0, math.huge, -math.huge, math.maxinteger, math.mininteger, "", "x",
  "a.b", "\0", true, false, {}, { 1 }, { a = 1 }, { n = 1 }, { 1, 2, n = -1 }, nothing, math.abs,
  coroutine.create(print), io.stdout, trap "__len", trap "__index", trap "__pairs",
  trap "__tostring", trap "__call",
  setmetatable({}, { __name = "thing" }), setmetatable({}, { __len = function() return "x" end }),
  setmetatable({}, { __len = function() return -1 end }),
}
local MOST = 33

-- Returns a new object of each class, by name.
local make = {
  executor = function() return h.pool(1) end,
  view = function() return h.pool(1):with { priority = 1 } end,
  map = function() return (h.pool(1):map(nothing, { 1 })) end,
  future = function() return tidepool.future() end,
  share = function() return tidepool.share(1) end,
  array = function() return tidepool.array("u8", 2) end,
}

-- Calls that block with their arguments as they are.
local blocking = { ["future:result"] = true, ["future:exception"] = true, ["future:pcall"] = true,
  ["future:wait"] = true }

local function methods_of(class)
  local object = make[class]()
  if class == "executor" then assert.is_function(object.map) end
  local methods = class == "array" and core.methods.array or debug.getmetatable(object).__index
  local list = {}
  for name, fn in pairs(methods) do
    if type(fn) == "function" then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

-- Names and lines of the library, which no error may show.
local function check(what, err)
  if type(err) ~= "string" then
    assert.is_string(tidepool.error_kind(err), what)
    err = tostring(err)
  end
  local function bad(why) error(("%s: %s in: %s"):format(what, why, err), 0) end
  if err:find("tidepool/%w+%.lua") then bad "a file of the library" end
  if err:find "tide_" or err:find "core%." then bad "an internal name" end
  if err:find "'%?'" or err:find "%?:" then bad "no name" end
  if err:find "attempt to" and not err:find "share" then bad "an error of Lua from inside" end
  local fname = what:match "([%w_]+)$"
  local named = err:match "bad argument #%d+ to '(.-)'" or err:match "calling '(.-)' on bad self"
  if named and named ~= fname then bad("the name of another function, " .. named) end
  if named and not err:find "^[^:\n]*arguments_spec%.lua:%d+: " then bad "no line of the script" end
end

local function try(what, fn, ...)
  local ok, err = pcall(fn, ...)
  if not ok and not tostring(err):find "a trap" then check(what, err) end
  return ok, err
end

-- Calls in three ways: by pcall, from a line, and as a tail call.
local function call(what, fn, ...)
  try(what, fn, ...)
  try(what, function(...)
    local result = fn(...)
    return result
  end, ...)
  try(what, function(...) return fn(...) end, ...)
end

local function quick(what, i)
  local v = values[i]
  return not (blocking[what] and (v == nil or v == math.huge or math.type(v) == "integer" and v > 0
    or v == 1.5))
end

local function close(object)
  local meta = debug.getmetatable(object)
  if meta and meta.__name == "tidepool.map" then object:close() end
end

describe("Wrong arguments of methods", function()
  after_each(h.finish)

  for class in pairs(make) do
    it("of a " .. class, function()
      for _, name in ipairs(methods_of(class)) do
        local what = class .. ":" .. name
        local object = make[class]()
        local fn = object[name]
        for i = 1, MOST do
          if quick(what, i) then call(what, fn, object, values[i]) end
          if name == "shutdown" then object = make[class]() end
          if not blocking[what] then
            call(what, fn, object, 1, values[i])
            if i % 3 == 0 then call(what, fn, object, nothing, values[i], values[i]) end
          end
        end
        close(object)
      end
    end)

    it("with a bad self of a " .. class, function()
      for _, name in ipairs(methods_of(class)) do
        local what = class .. ":" .. name
        local fn = make[class]()[name]
        for i = 0, MOST do
          for other, new in pairs { none = function() return values[i] end, future = make.future,
            executor = make.executor, array = make.array } do
            if other ~= class and not (class == "view" and other == "executor") then
              local self = new()
              local ok, err = try(what, function() return fn(self) end)
              assert.is_false(ok, what)
              h.contains(("calling '%s' on bad self (tidepool."):format(name), tostring(err))
              if other ~= "none" and i > 0 then break end
            end
          end
        end
        local ok, err = try(what, fn)
        assert.is_false(ok, what)
        h.contains("calling '" .. name .. "' on bad self", err)
      end
    end)
  end

  it("as names of options", function()
    local ex = h.pool(1)
    for i = 1, MOST do
      local v = values[i]
      if v ~= nil and v == v then
        call("with", ex.with, ex, { [v] = 1 })
        call("shutdown", ex.shutdown, ex, { [v] = 1, no_such_option = 1 })
        call("wait", tidepool.wait, {}, { [v] = 1 })
        call("executor", tidepool.executor, { [v] = 1 })
      end
    end
  end)

  it("as values of options", function()
    local ex = h.pool(1)
    for i = 1, MOST do
      for _, name in ipairs { "priority", "name", "time_limit", "memory_limit", "timeout",
        "chunksize", "buffersize", "ordered", "seed" } do
        call("with", ex.with, ex, { [name] = values[i] })
      end
      for _, name in ipairs { "timeout", "return_when" } do
        call("wait", tidepool.wait, {}, { [name] = values[i] })
      end
      for _, name in ipairs { "max_workers", "initializer", "initargs", "finalizer", "isolation",
        "max_tasks_per_worker", "idle_timeout", "on_full", "daemon", "spin_time", "inline",
        "thread_name_prefix" } do
        call("executor", function(...)
          local made = tidepool.executor(...)
          made:shutdown()
        end, { [name] = values[i] })
      end
    end
    for _, name in ipairs { "wait", "cancel_futures", "interrupt", "timeout" } do
      for i = 1, MOST do call("shutdown", ex.shutdown, ex, { [name] = values[i] }) end
    end
  end)
end)

describe("Wrong arguments of metamethods", function()
  after_each(h.finish)

  it("name them", function()
    local others = { false, 1, "x", {}, io.stdout, nothing }
    for class, new in pairs(make) do
      local meta = class ~= "view" and debug.getmetatable(new()) or {}
      for name, fn in pairs(meta) do
        if type(fn) == "function" then
          try(class .. ":" .. name, function() fn() end)
          for i = 1, #others do
            try(class .. ":" .. name, function() fn(others[i], others[i]) end)
          end
        end
      end
    end
  end)
end)

describe("Wrong arguments of functions", function()
  after_each(h.finish)

  it("of the module", function()
    for name, fn in pairs(tidepool) do
      if type(fn) == "function" and name ~= "string_errors" then
        for i = 0, MOST do
          call(name, fn, values[i])
          if name ~= "executor" then
            call(name, fn, {}, values[i])
            call(name, fn, "u8", values[i] ~= math.maxinteger and values[i] or nil)
            call(name, fn, next, {}, values[i], values[i])
          end
        end
        call(name, fn)
      end
    end
    for i = 2, MOST do
      local v = values[i]
      if type(v) ~= "boolean" then call("string_errors", tidepool.string_errors, v) end
    end
    assert.is_false(tidepool.string_errors())
  end)

  it("under another name", function()
    local share, kind, array = tidepool.share, tidepool.error_kind, tidepool.array
    local t = { go = tidepool.array, wait_for = tidepool.wait }
    h.fails("bad argument #1 to 'share' (value expected)", function() share() end)
    h.fails("bad argument #1 to 'error_kind' (value expected)", function() kind() end)
    h.fails("bad argument #1 to 'array' (unknown type 'x'", function() array("x") end)
    h.fails("bad argument #1 to 'array' (string expected, got nil)", function() t.go(nil) end)
    h.fails("bad argument #1 to 'wait'", function() t.wait_for(1) end)
    local ex = h.pool(1)
    local go = ex.submit
    h.fails("bad argument #1 to 'submit' (function expected, got no value)", function() go(ex) end)
  end)

  it("in a script whose folder is called tidepool", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert.is_true(os.execute("mkdir -p " .. folder .. "/tidepool"))
    local name = folder .. "/tidepool/main.lua"
    local file = assert(io.open(name, "w"))
    file:write [[
      local tidepool = require "tidepool"
      print(pcall(tidepool.wait, 1))
      print(select(2, pcall(tidepool.future().result, tidepool.future(), 0)))
    ]]
    file:close()
    local pipe = assert(io.popen(h.command(name)))
    local text = pipe:read "a"
    pipe:close()
    os.execute("rm -r " .. folder)
    local lines = {}
    for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
    h.contains("main.lua:2: bad argument #1 to 'wait'", lines[1])
    h.contains("main.lua:3: the future is not done", lines[2])
  end)
end)
