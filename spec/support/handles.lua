-- handles: one of each handle of the library, and all that can be done with each.
--
-- SPDX-License-Identifier: MIT
local core = require "tidepool.core"
local tidepool = require "tidepool"

local M = {}

local function text(i) return ("%050d"):format(i) end

--- Puts one of each handle into `box`.
function M.make(ex, box)
  local items = {}
  for i = 1, 500 do items[i] = i end
  box.executor, box.view = ex, ex:with { priority = 1 }
  box.done = ex:submit(text, 1)
  box.done:wait()
  box.long = ex:submit(string.rep, "x", 200000)
  box.long:wait()
  box.failed = ex:submit(error, { code = 1 })
  box.failure = box.failed:exception()
  box.unseen = ex:submit(text, 2)
  box.promise = tidepool.future()
  box.share = tidepool.share { text(3) }
  box.array = tidepool.array("i64", { 1, 2, 3, 4 })
  box.slice = box.array:slice(2, 3)
  box.map, box.unordered = ex:map(text, items), ex:with { ordered = false }:map(text, items)
  for _ = 1, 20 do box.map() box.unordered() end
  local _
  box.completed, _, _, box.closing = tidepool.as_completed { box.done, box.failed, box.long }
  box.completed()
  box.group = core.group()
  box.group:add(box.done)
  box.error = select(2, pcall(box.promise.result, box.promise, 0))
  return box
end

-- Methods to call with a handle, in this order. The timeouts are 0: what is pending stays so.
local calls = {
  done = { "result", "pcall", "exception", "traceback", "wait", "done", "running", "cancelled",
    "status", "cancel", "interrupt" },
  promise = { "done", "running", "cancelled", "status", "set_running_or_notify_cancel" },
  share = { "get" },
  array = { "tostring", "totable", "type" },
  executor = { "stats" },
  map = { "traceback" },
  group = { "size", "next" },
}
for _, name in ipairs { "long", "failed", "unseen" } do calls[name] = calls.done end
calls.slice, calls.unordered = calls.array, calls.map

-- Calls with arguments.
local uses = {
  promise = {
    function(p) return p:result(0) end, function(p) return p:wait(0) end,
    function(p) return p:add_done_callback(print and function() end) end,
    function(p) return p:set_result(1) end, function(p) return p:set_exception(2) end,
  },
  done = { function(f) return f:add_done_callback(function() end) end },
  array = {
    function(a) return a[1] end, function(a) a[1] = 2 end, function(a) return #a end,
    function(a) return a:add(1, 1) end, function(a) return a:fill(0) end,
    function(a) for _, v in ipairs(a) do assert(v) end end,
  },
  map = { function(m) return m() end, function(m) return m() end, function(m) return m() end },
  completed = { function(c) return c() end, function(c) return c() end },
  group = { function(g) return g:wait(1, false, 0) end },
  error = { function(e) return e.kind, e.message end },
}
uses.slice, uses.unordered = uses.array, uses.map
uses.long, uses.failed = uses.done, uses.done

-- Calls that make new handles. Not while the state closes: Lua finalises nothing that is made then.
local makes = {
  array = {
    function(a) return a:copy() == a end, function(a) return a:slice(1, #a) == a end,
  },
  executor = {
    function(ex) return ex:submit(text, 1) end, function(ex) return ex:map(text, { 1, 2 }) end,
    function(ex) return ex:with { priority = 2 } end,
  },
  group = { function(g) return g:add(tidepool.future()) end },
}
makes.slice, makes.view = makes.array, makes.executor

-- Calls that end a handle, which come last.
local ends = {
  map = { function(m) m:close() end, function(m) m:collect() end, function(m) m:drain() end },
  group = { function(g) g:close() end },
  closing = { function(c) c:close() end },
}
ends.unordered = ends.map

--- Does all that can be done with the handles in `box`. Returns the result of each call as text.
-- `closing`: the state closes, so no new handles are made.
function M.use(box, closing)
  local results = {}
  local function try(name, what, fn, handle)
    local ok, err = pcall(fn, handle)
    results[#results + 1] = ("%s %s: %s"):format(name, what, ok and "ok" or tostring(err))
  end
  for name, handle in pairs(box) do
    try(name, "tostring", tostring, handle)
    try(name, "type", tidepool.type or type, handle)
    for _, method in ipairs(calls[name] or {}) do
      try(name, method, function(x) return x[method](x) end, handle)
    end
    for i, use in ipairs(uses[name] or {}) do try(name, i, use, handle) end
    for i, use in ipairs(not closing and makes[name] or {}) do try(name, i, use, handle) end
  end
  try("all", "task", tidepool.current_task)
  if not closing then
    try("all", "wait", function() return tidepool.wait({ box.done, box.long }, { timeout = 0 }) end)
    try("all", "send", function()
      return box.executor:submit(type, { box.done, box.share, box.array, box.slice, box.promise })
    end)
  end
  for name, list in pairs(ends) do
    for i, use in ipairs(list) do try(name, i, use, box[name]) end
  end
  if closing then
    try("executor", "shutdown", function(ex) return ex:shutdown { wait = false } end, box.executor)
  end
  return results
end

return M
