-- tidepool.executor: makes executors, and has their methods that are written in Lua: map and with.
--
-- An executor's other methods are in C (csrc/binding). A view, which ex:with{...} returns, is an
-- executor with options for its submits and maps. It owns nothing.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local check = require "tidepool.check"
local iter = require "tidepool.iter"
local map = require "tidepool.map"

local BIG = 0x7fffffff -- the greatest C int
local MOST_ARGUMENTS = 10000 -- of an initializer: they are on a Lua stack together
local LONGEST_SPIN = 0.001 -- seconds, TIDE_MAX_SPIN_TIME of tidepool.h

local executor_options = {
  max_workers = check.integer(1, BIG),
  max_threads = check.integer(0, BIG),
  thread_name_prefix = check.string,
  initializer = check.callee,
  finalizer = check.callee,
  initargs = function(value)
    if type(value) ~= "table" then return nil, "table" end
    if value.n == nil and core.dictionary(value) then return nil, "sequence of arguments" end
    local n = value.n == nil and #value or value.n
    if math.type(n) ~= "integer" or n < 0 or n > MOST_ARGUMENTS then
      return nil, ("table of at most %d arguments"):format(MOST_ARGUMENTS)
    end
    return table.pack(table.unpack(value, 1, n))
  end,
  max_tasks_per_worker = check.integer(1),
  idle_timeout = check.duration,
  max_queue = check.integer(1),
  on_full = check.oneof("block", "error"),
  isolation = check.oneof("worker", "task"),
  time_limit = check.limit,
  memory_limit = check.integer(1),
  daemon = check.boolean,
  inline = check.boolean,
  cfunctions = check.boolean,
  seed = check.whole,
  interrupt_signal = function(value)
    local signal, expected = check.integer(-1, 64)(value)
    local problem = signal and signal > 0 and core.signal_problem(signal)
    if not problem then return signal, expected end
    return nil, ("the number of a signal that is free, such as SIGUSR2 or a real-time one (%d: %s)")
      :format(signal, problem)
  end,
  spin_time = function(value)
    if type(value) == "number" and value >= 0 and value <= LONGEST_SPIN then return value end
    return nil, ("number of seconds from 0 to %g"):format(LONGEST_SPIN)
  end,
}

local made = 0 -- executors that this state made without a thread_name_prefix

-- tidepool.executor, see types.lua.
local function new(options)
  if options == nil then
    options = {}
  elseif type(options) == "number" then
    options = { max_workers = check.argument(1, "executor", options,
      executor_options.max_workers) }
  elseif type(options) == "table" and rawget(options, "executor") == new then
    check.bad(1, "executor", "options or max_workers expected, got the module: call it with '.'")
  elseif type(options) ~= "table" then
    check.bad(1, "executor", ("table or integer expected, got %s"):format(
      check.typename(options)))
  end
  local config = check.options(1, "executor", options, executor_options)
  local workers, threads = config.max_workers or 1, config.max_threads or 0
  if threads ~= 0 and threads < workers then
    check.bad(1, "executor", ("option 'max_threads': integer >= max_workers (%d), or 0, "
      .. "expected, got %d"):format(workers, threads))
  end
  if config.inline then
    for _, name in ipairs { "time_limit", "memory_limit" } do
      if config[name] then
        check.bad(1, "executor", ("option '%s': an inline executor has no threads, so nothing "
          .. "can stop its tasks; leave out '%s' or 'inline'"):format(name, name))
      end
    end
  end
  if not config.thread_name_prefix then
    made = made + 1
    config.thread_name_prefix = ("tidepool-%d"):format(made)
  end
  if config.idle_timeout == math.huge then config.idle_timeout = nil end
  local args = config.initargs or { n = 0 }
  return core.executor(config, config.initializer, config.finalizer,
    table.unpack(args, 1, args.n))
end

-- ---------------------------------------------------------------- views --

local task_options = {
  priority = check.integer(-BIG - 1, BIG),
  name = check.string,
  time_limit = check.limit,
  memory_limit = check.integer(1),
  seed = check.whole,
  timeout = check.seconds,
  chunksize = function(value)
    if value == "auto" or type(value) == "number" and math.tointeger(value) and value >= 1 then
      return value == "auto" and value or math.tointeger(value)
    end
    return nil, "integer >= 1 or 'auto'"
  end,
  buffersize = check.integer(1),
  ordered = check.boolean,
}

-- The options that a single task cannot have.
local map_options = { "timeout", "chunksize", "buffersize", "ordered" }

local view = {}
local View = {
  __name = "tidepool.view",
  __index = view,
  __tostring = function(self) return ("tidepool.view of %s"):format(tostring(self.executor)) end,
}

local EXPECTED = "sequence or iterator function expected, got "
local PAIRS = "; to map over its pairs: map(fn, tidepool.iter(pairs(t))), which calls "
  .. "fn(key, value)"
local STATE = "; what pairs(t), io.lines(name) or lfs.dir(path) return goes through tidepool.iter: "
  .. "map(fn, tidepool.iter(pairs(t)))"

-- Raises an error for argument i of a map's inputs, which is no input. `words` describes it.
local function refuse_input(inputs, i, words)
  local hint = ""
  if type(inputs[i]) == "table" then
    hint = PAIRS
  elseif core.type(inputs[i]) == "share" then
    hint = "; its value is share:get()"
  else
    for k = 1, i - 1 do
      if core.iterable(inputs[k]) == "function" then hint = STATE end
    end
  end
  check.bad(i + 1, "map", EXPECTED .. (i > inputs.n and "no value" or words) .. hint)
end

-- Checks the inputs of a map. Returns them as sources (tidepool.map.input).
local function check_inputs(inputs)
  local checked = {}
  for i = 1, math.max(inputs.n, 1) do
    local kind, words = core.iterable(inputs[i])
    if not kind then refuse_input(inputs, i, words) end
    checked[i] = { kind = kind, value = inputs[i] }
    if kind == "sequence" then
      checked[i].last = math.tointeger(#inputs[i]) or
        check.bad(i + 1, "map", "the length of a sequence is an integer")
    end
  end
  return checked
end

-- Starts a map after checks of the function and the inputs. Closes the inputs if they are refused.
local function run_map(executor, options, fn, ...)
  local inputs = table.pack(...)
  local ok, checked = pcall(function()
    check.argument(1, "map", fn, check.task)
    return check_inputs(inputs)
  end)
  if not ok then
    for i = 1, inputs.n do iter.close(inputs[i], checked) end
    error(checked, 0)
  end
  return map(executor, options, fn, checked)
end

local function check_view(fname, value)
  if getmetatable(value) ~= View then
    check.bad_self(fname, "tidepool.view", value)
  end
end

function view:submit(fn, ...)
  check_view("submit", self)
  check.argument(1, "submit", fn, check.task)
  local options = self.options
  for _, name in ipairs(map_options) do
    if options[name] ~= nil then
      check.fail(("option '%s' is for map, not for submit"):format(name))
    end
  end
  if self.counter then
    return core.submit_seeded(options.seed, self.counter, self.executor, false, options, fn, ...)
  end
  return core.submit(self.executor, false, options, fn, ...)
end

function view:map(fn, ...)
  check_view("map", self)
  local it = run_map(self.executor, self.options, fn, ...)
  return it, nil, nil, it
end

-- Returns the checked options of `with` for this executor.
local function check_with(executor, options)
  local checked = check.options(1, "with", options, task_options)
  local limit = checked.time_limit and "time_limit" or checked.memory_limit and "memory_limit"
  if limit and core.inline(executor) then
    check.bad(1, "with", ("option '%s': an inline executor has no threads, so nothing can stop "
      .. "its tasks"):format(limit))
  end
  return checked
end

-- Returns a view with the options of `options` and `more`. `counter`, an array of one integer or
-- false, numbers the tasks of a seed. Views that were made from one another share it: no two of
-- their tasks get the same random numbers.
local function new_view(executor, options, more, counter)
  if more.seed then counter = core.array("i64", 1) end
  local merged = {}
  for name, value in pairs(options) do merged[name] = value end
  for name, value in pairs(more) do merged[name] = value end
  return setmetatable({
    executor = executor, options = merged, counter = counter or false,
  }, View)
end

function view:with(options)
  check_view("with", self)
  return new_view(self.executor, self.options, check_with(self.executor, options), self.counter)
end

local methods = core.methods.executor
local none = {}

local function check_executor(fname, value)
  if core.type(value) ~= "executor" then
    check.bad_self(fname, "tidepool.executor", value)
  end
end

function methods:map(fn, ...)
  check_executor("map", self)
  local it = run_map(self, none, fn, ...)
  return it, nil, nil, it
end

function methods:with(options)
  check_executor("with", self)
  return new_view(self, none, check_with(self, options))
end

return new
