-- helper: functions that specs use, and what every spec begins and ends with.
--
-- h.busted() must be the first call of a spec file. busted gives each spec file an _ENV of its own,
-- but tasks are sent with their _ENV and need the real _G. This call restores that and returns
-- busted's functions. These are wrapped, so that busted does not change the _ENV of the functions
-- given to them.
--
-- h.finish(), an after_each of every spec, opens all gates, shuts down every pool made by
-- h.pool, and asserts that no executor, task, state or thread is left.
--
-- Environment: TIDE_LUA (interpreter of child scripts, "lua5.4"), TIDE_SEED, TIDE_STRESS
-- (factor for rounds), TIDE_SLOW (factor for time limits; 10 with a sanitizer, see SAN).
--
-- SPDX-License-Identifier: MIT
local assert = require "luassert"
local core = require "tidepool.core"
local gate = require "gate"
local tidepool = require "tidepool"

local h = {}

h.sanitized = (os.getenv "SAN" or "") ~= ""
h.slow = tonumber(os.getenv "TIDE_SLOW") or (h.sanitized and 10 or 1)
h.stress = tonumber(os.getenv "TIDE_STRESS") or 1

-- ------------------------------------------------------------------ busted --

-- Only SAN=collect has it (lua_main.c): all garbage is collected at each allocation.
local collect_always = rawget(_G, "collect_always")

h.collects = collect_always ~= nil

local function with_collector(fn)
  if not collect_always then return fn() end
  local before <close> = setmetatable({ collect_always(true) }, {
    __close = function(t) collect_always(t[1]) end,
  })
  return before and fn()
end

local function wrapped(register)
  return function(name, fn)
    if fn == nil then return register(function() return name() end) end
    return register(name, function() return fn() end)
  end
end

--- Returns describe, it, before_each and after_each for the calling file.
function h.busted()
  local chunk = debug.getinfo(2, "f").func
  local at = 0
  local name, env
  repeat
    at = at + 1
    name, env = debug.getupvalue(chunk, at)
  until name == "_ENV" or name == nil
  assert(name == "_ENV", "h.busted() must be called by the spec file itself")
  local describe, it = env.describe, env.it
  local before_each, after_each = env.before_each, env.after_each
  local real = _G
  debug.upvaluejoin(chunk, at, function() return real end, 1)
  local function test(title, fn)
    return it(title, function() return with_collector(fn) end)
  end
  return wrapped(describe), wrapped(test), wrapped(before_each), wrapped(after_each)
end

-- ----------------------------------------------------------- pools, the end --

local pools = {}

--- Makes an executor that h.finish shuts down.
function h.pool(options)
  local ex = tidepool.executor(options)
  pools[#pools + 1] = ex
  return ex
end

--- Waits until pred() is true. For what can only be polled, such as counts.
function h.eventually(pred, what)
  local limit = gate.now() + 20 * h.slow
  while not pred() do
    if gate.now() > limit then error("never happened: " .. (what or "?"), 2) end
    gate.pause()
  end
end

-- A state that ever added a done callback keeps one group for them.
local allowed = { groups = 1 }

local function nothing_alive(live)
  for name, n in pairs(live) do
    if n > (allowed[name] or 0) then return false end
  end
  return true
end

local function describe_live(live)
  local words = {}
  for name, n in pairs(live) do words[#words + 1] = name .. "=" .. n end
  table.sort(words)
  return table.concat(words, " ")
end

--- Asserts that nothing of the library is alive any more.
function h.assert_clean()
  local limit = gate.now() + 10 * h.slow
  local live
  repeat
    collectgarbage()
    collectgarbage()
    live = core.live()
    if nothing_alive(live) then return end
    gate.pause()
  until gate.now() > limit
  error("left alive: " .. describe_live(live), 2)
end

--- To be called after each spec.
function h.finish()
  gate.reset()
  local failure
  while #pools > 0 do
    local ex = table.remove(pools)
    local ok, err = pcall(ex.shutdown, ex, { cancel_futures = true, timeout = 30 * h.slow })
    if not ok or err == false then failure = ok and "a pool does not shut down" or err end
  end
  gate.warnings()
  if failure then error(failure) end
  h.assert_clean()
end

-- ----------------------------------------------------------------- asserts --

--- Asserts that fn(...) raises an error of the library of that kind. Returns the error.
function h.raises(kind, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then error("no error; expected one of kind " .. kind, 2) end
  local got = tidepool.error_kind(err)
  if got ~= kind then
    error(("expected an error of kind %s, got %s"):format(kind, tostring(err)), 2)
  end
  assert.equal(kind, err.kind)
  assert.equal("string", type(err.message))
  return err
end

--- Asserts that fn(...) raises an ordinary error with that text in it. Returns the message.
function h.fails(text, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then error("no error; expected: " .. text, 2) end
  if type(err) ~= "string" or not err:find(text, 1, true) then
    error(("expected an error with %q, got %s"):format(text, tostring(err)), 2)
  end
  return err
end

--- Asserts that text contains part.
function h.contains(part, text)
  if type(text) ~= "string" or not text:find(part, 1, true) then
    error(("%q is not in %q"):format(part, tostring(text)), 2)
  end
end

--- Returns what an iterator of a generic for gives: a list of tables of all values.
function h.all(...)
  local list = {}
  local it, state, control = ...
  while true do
    local values = table.pack(it(state, control))
    control = values[1]
    if control == nil then return list end
    list[#list + 1] = values
  end
end

-- --------------------------------------------------------------- futures --

--- Returns a future in each state, of no executor.
function h.promises()
  local p = {}
  p.pending = tidepool.future()
  p.running = tidepool.future()
  p.running:set_running_or_notify_cancel()
  p.cancelled = tidepool.future()
  p.cancelled:cancel()
  p.failed = tidepool.future()
  p.failed:set_exception("an error")
  p.failed:exception() -- read: no warning when it is collected
  p.successful = tidepool.future()
  p.successful:set_result(42)
  return p
end

--- Returns how often each item of a list occurs, by item.
function h.set(list)
  local set = {}
  for _, v in ipairs(list) do set[v] = (set[v] or 0) + 1 end
  return set
end

-- ---------------------------------------------------------- child processes --

local function quote(s) return "'" .. tostring(s):gsub("'", "'\\''") .. "'" end
h.quote = quote

local function readfile(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

local function writefile(path, text)
  local f = assert(io.open(path, "wb"))
  assert(f:write(text))
  assert(f:close())
end

--- Returns the shell command that runs a file as this interpreter would, with its package paths.
function h.command(file, opts)
  opts = opts or {}
  local words = {
    "LUA_PATH_5_4=" .. quote(package.path), "LUA_CPATH_5_4=" .. quote(package.cpath), "LUA_INIT=",
  }
  for name, value in pairs(opts.env or {}) do words[#words + 1] = name .. "=" .. quote(value) end
  words[#words + 1] = opts.prefix
  words[#words + 1] = os.getenv "TIDE_LUA" or "lua5.4"
  words[#words + 1] = opts.flags
  words[#words + 1] = quote(file)
  for _, arg in ipairs(opts.args or {}) do words[#words + 1] = quote(arg) end
  return "env " .. table.concat(words, " ")
end

--- Runs code in an interpreter of its own, and kills it after two minutes (signal 9). Returns
--- {status, signal, stdout, stderr}.
function h.run_script(code, opts)
  local base = os.tmpname()
  local file, out, err = base .. ".lua", base .. ".out", base .. ".err"
  writefile(file, code)
  local command = ("timeout -s KILL %d %s >%s 2>%s </dev/null"):format(
    math.ceil(120 * h.slow), h.command(file, opts), quote(out), quote(err))
  local _, how, status = os.execute(command)
  local result = {
    status = how == "exit" and status or nil,
    signal = how == "signal" and status or nil,
    stdout = readfile(out),
    stderr = readfile(err),
  }
  for _, path in ipairs { base, file, out, err } do os.remove(path) end
  return result
end

--- Asserts that code ends with that status (default 0) and no stderr. Returns stdout.
function h.runs(code, status, opts)
  local r = h.run_script(code, opts)
  if r.status ~= (status or 0) or r.stderr ~= "" then
    error(("status %s, signal %s\nstdout: %s\nstderr: %s"):format(
      r.status, r.signal, r.stdout, r.stderr), 2)
  end
  return r.stdout
end

-- Whether a program of that name sleeps in the process group.
local function sleeps(program, group)
  local stats <close> = assert(io.popen "cat /proc/[0-9]*/stat 2>/dev/null")
  local wanted = ("^%%d+ %%(%s%%) S %%d+ %d "):format(program, group)
  for line in stats:lines() do
    if line:find(wanted) then return true end
  end
  return false
end

--- Starts code and waits for its line `ready`; then sends SIGINT. With `program`, the code leads a
--- process group of its own, and the signal is sent to the group once a program of that name sleeps
--- in it. A shell that has only just started a program may lose the signal (dash, vfork).
--- Returns {status, stderr, seconds from the signal to the end}.
function h.interrupt(code, program)
  local base = os.tmpname()
  local file, err = base .. ".lua", base .. ".err"
  writefile(file, code)
  local child = assert(io.popen(("echo $$; exec %s 2>%s </dev/null"):format(
    h.command(file), quote(err))))
  local pid = math.tointeger(tonumber(child:read "l"))
  local line
  repeat line = child:read "l" until line == "ready" or line == nil
  if line and program then
    h.eventually(function() return sleeps(program, pid) end, program .. " sleeps")
  end
  local start = gate.now()
  if line then gate.kill(program and -pid or pid, gate.SIGINT) end
  local rest = child:read "a"
  local seconds = gate.now() - start
  local _, how, status = child:close()
  local result = {
    ready = line ~= nil, rest = rest, seconds = seconds, stderr = readfile(err),
    status = how == "exit" and status or nil, signal = how == "signal" and status or nil,
  }
  for _, path in ipairs { base, file, err } do os.remove(path) end
  return result
end

-- ------------------------------------------------------------------ random --

local printed = {}

--- Seeds math.random from TIDE_SEED or the clock and prints the seed, once per name.
function h.seed(name)
  local seed = math.tointeger(tonumber(os.getenv "TIDE_SEED"))
    or (os.time() * 1000003 + gate.getpid()) & 0x7fffffff
  math.randomseed(seed)
  if not printed[name] then
    printed[name] = true
    io.stdout:write(("\n%s: TIDE_SEED=%d\n"):format(name, seed))
  end
  return seed
end

return h
