-- tidepool.wait: waits for several futures: wait and as_completed.
--
-- Futures are given as a sequence or an iterator function. One that is given twice counts once. A
-- group (csrc/binding/lua_group.c) returns them in the order of their completion.
-- SPDX-License-Identifier: MIT

local core = require "tidepool.core"
local check = require "tidepool.check"
local iter = require "tidepool.iter"

local HERE = debug.getinfo(1, "S").short_src .. ":"
local EXPECTED = "sequence or iterator function of futures"

-- Returns the future among the values of an iterator's call: the first value, or the second if the
-- first is its key. Returns nil at the end.
local function pick(first, second)
  if first == nil then return nil end
  if core.type(first) ~= "future" and core.type(second) == "future" then return second end
  return first
end

-- Returns the next future of an iterator function, nil at the end. `first`: this is its first call.
local function read(iterator, first, fname)
  local ok, one, two = pcall(iterator)
  if ok then return pick(one, two) end
  error(iter.explain(one, HERE, first and iterator, 1, fname), 0)
end

-- Adds the futures to the group. Calls each(future) for every future that was not in it.
local function add_all(group, futures, fname, each)
  local kind, words = core.iterable(futures)
  if not kind then
    local hint = ""
    if type(futures) == "table" then
      hint = ("; of its values: %s(tidepool.iter(pairs(t)))"):format(fname)
    end
    check.bad(1, fname, ("%s expected, got %s%s"):format(EXPECTED, words, hint))
  end
  local _ <close> = iter.is(futures) and futures or nil
  local last = math.huge
  if kind == "sequence" then
    last = math.tointeger(#futures) or check.bad(1, fname, "the length of a sequence is an integer")
  end
  local i = 0
  while i < last do
    i = i + 1
    local future
    if kind == "sequence" then future = futures[i] else future = read(futures, i == 1, fname) end
    if kind == "function" and future == nil then break end
    if core.type(future) ~= "future" then
      check.bad(1, fname, ("future expected at index %d, got %s"):format(
        i, check.typename(future)))
    end
    if group:add(future) then each(future) end
  end
end

local wait_options = {
  timeout = check.seconds,
  return_when = check.oneof("all_completed", "first_completed", "first_exception"),
}

-- tidepool.wait, see types.lua.
local function wait(futures, options)
  options = check.options(2, "wait", options == nil and {} or options, wait_options)
  local group <close> = core.group()
  local all = {}
  add_all(group, futures, "wait", function(future) all[#all + 1] = future end)
  local need = options.return_when == "first_completed" and 1 or #all
  group:wait(need, options.return_when == "first_exception", options.timeout)
  local done, not_done = {}, {}
  for _, future in ipairs(all) do
    local list = future:done() and done or not_done
    list[#list + 1] = future
  end
  return done, not_done
end

-- tidepool.as_completed, see types.lua.
local function as_completed(futures, timeout)
  if timeout ~= nil then
    timeout = check.argument(2, "as_completed", timeout, check.seconds)
  end
  local deadline = timeout and core.now() + timeout
  local group = core.group()
  local total = 0
  add_all(group, futures, "as_completed", function() total = total + 1 end)

  local function step()
    local unfinished = group:size()
    if unfinished == 0 then
      group:close()
      return nil
    end
    if not group:wait(1, false, deadline and deadline - core.now()) then
      group:close()
      error(core.error("timeout", ("%d (of %d) futures unfinished"):format(unfinished, total)), 0)
    end
    return group:next()
  end

  return step, nil, nil, group -- the closing value: a loop that ends closes the group
end

return { wait = wait, as_completed = as_completed }
