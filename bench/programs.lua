-- programs.lua: the programs that a round runs: the machine's limits, tidepool's workloads, and the
-- peers that are installed.
--
-- A program prints lines of name, tab, value. A peer's names get the name of the peer before them.
-- SPDX-License-Identifier: MIT

local programs = {}

--- Scripts under workloads/ with their further arguments; `prefix` stands before the interpreter.
local workloads = {
  { "roundtrip.lua" },
  { "throughput.lua", "1" },
  { "throughput.lua", "2" },
  { "throughput.lua", "64" },
  { "queued.lua" },
  { "map.lua" },
  { "map_sizes.lua" },
  { "payload.lua" },
  { "shapes.lua" },
  { "code.lua" },
  { "cpu.lua", "arithmetic" },
  { "cpu.lua", "allocating" },
  { "startup.lua" },
  { "idle.lua", "1" },
  { "idle.lua", "33" },
  { "sleeps.lua" },
  { "text.lua" },
  { "share.lua" },
  { "stop.lua" },
  { "isolation.lua" },
  { "array.lua" },
  { "idle_cpu.lua" },
  { "spin_load.lua" },
  { "one_core.lua", prefix = "taskset -c 0 " },
  { "curve_queue.lua", quick = "100000", full = "1000000" },
  { "curve_live.lua", quick = "10000", full = "1000000" },
  { "curve_wait.lua", quick = "10000", full = "100000" },
  { "curve_workers.lua" },
}

--- Peers that are Lua libraries: the adapter under peers/, the module, and other modules that it
--- needs.
local lua_peers = {
  { "luv", "luv" },
  { "Lanes", "lanes" },
  { "effil", "effil" },
  { "ltask", "ltask" },
  { "mtmsg", "mtmsg", "llthreads2" },
  { "luaproc", "luaproc" },
}

function programs.quote(s)
  return "'" .. s:gsub("'", [['\'']]) .. "'"
end
local quote = programs.quote

local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1 </dev/null") == true
end

-- Returns the missing module of a Lua peer, or nil.
local function lacks(peer)
  for i = 2, #peer do
    local name = peer[i]
    local found = package.searchpath(name, package.cpath) or
      package.searchpath(name, package.path)
    if not found then return name end
  end
end

-- Returns the interpreter's command. States that peers open find bench_native by the environment.
local function lua_of(place)
  return ([[LUA_CPATH=%s"$LUA_CPATH" %s]]):format(quote(place.build .. "?.so;"), quote(place.lua))
end

-- Returns the adapter of a Lua peer; nil and the reason if it cannot be used.
local function adapter_of(peer, place)
  local module = lacks(peer)
  if module then return nil, ("no module '%s' on the Lua path"):format(module) end
  local ok, adapter = pcall(dofile, place.here .. "peers/" .. peer[1]:lower() .. ".lua")
  if ok then return adapter end
  return nil, (tostring(adapter):match("^[^\n]*"))
end

local function add_lua_peers(list, absent, place)
  local lua, drive = lua_of(place), quote(place.here .. "peers/drive.lua")
  for _, peer in ipairs(lua_peers) do
    local name = peer[1]
    local adapter, reason = adapter_of(peer, place)
    if not adapter then absent[#absent + 1] = name .. ": " .. reason end
    for _, metric in ipairs(adapter and adapter.metrics or {}) do
      local environment = adapter.environment and adapter.environment(metric) or ""
      list[#list + 1] = { name = name .. " " .. metric, peer = name,
        command = ("%s %s %s %s %s %s"):format(environment, lua, drive, place.mode, name:lower(),
          metric) }
    end
  end
end

local function add_python(list, absent, place)
  local python = os.getenv("PYTHON") or "python3"
  if not succeeds(quote(python) .. " -c 'import concurrent.futures'") then
    absent[#absent + 1] = "Python: " .. python .. " does not run"
    return
  end
  for _, kind in ipairs { "threads", "processes" } do
    list[#list + 1] = { name = "python " .. kind, peer = "python " .. kind,
      command = ("%s %s %s %s"):format(quote(python), quote(place.here .. "peers/pools.py"),
        place.mode, kind) }
  end
end

-- Returns whether the version of package.json lies under build/bench, and the two directories.
local function piscina_there(place)
  local from, to = place.here .. "peers/piscina/", place.build .. "piscina/"
  return succeeds(("cmp -s %s %s && test -d %s"):format(quote(from .. "package.json"),
    quote(to .. "package.json"), quote(to .. "node_modules/piscina"))), from, to
end

local function add_piscina(list, absent, place)
  local there, from, to = piscina_there(place)
  if not succeeds("command -v node") then
    absent[#absent + 1] = "piscina: no node on the path"
  elseif not there then
    absent[#absent + 1] = "piscina: npm could not install it"
  else
    list[#list + 1] = { name = "piscina", peer = "piscina",
      command = ("node %s %s %s"):format(quote(from .. "pool.js"), place.mode, quote(to)) }
  end
end

--- Lets npm install piscina under build/bench, unless it is there. If that fails, `list` names it.
function programs.install(place)
  local there, from, to = piscina_there(place)
  if there or not succeeds("command -v npm") then return end
  local copy = quote(to .. "package.json")
  succeeds(("mkdir -p %s && cp %s %s && cd %s && npm install --silent --no-audit --no-fund")
    :format(quote(to), quote(from .. "package.json"), copy, quote(to)))
end

--- Returns the list of programs, name and command each, and why some peers are left out.
--- place: `here`, this directory; `build`, that of the built programs; `lua`, the interpreter;
--- `mode`, "quick" or "full".
function programs.list(place)
  local list, absent = {}, {}
  local quick = place.mode == "quick"
  local repeats = quick and "8" or "20"
  list[1] = { name = "limits", command = quote(place.build .. "limits") .. " " .. repeats }
  list[2] = { name = "limits_shapes", command = ("%s %s %s"):format(
    quote(place.build .. "limits_shapes"), quote(place.here .. "shapes.lua"), repeats) }
  for _, w in ipairs(workloads) do
    local argument = w[2] or w[place.mode] or ""
    list[#list + 1] = { name = w[1] .. " " .. argument,
      command = ("%s%s %s %s %s"):format(w.prefix or "", quote(place.lua),
        quote(place.here .. "workloads/" .. w[1]), place.mode, argument) }
  end
  add_lua_peers(list, absent, place)
  add_python(list, absent, place)
  add_piscina(list, absent, place)
  return list, absent
end

--- Returns the program that runs once, after all rounds: the queue of ten million. Returns nil and
--- the reason if this machine has too little free memory.
function programs.huge(place)
  if place.mode == "quick" then return nil, "not in quick mode" end
  local f = io.open("/proc/meminfo")
  local kib = f and tonumber(f:read("a"):match("MemAvailable:%s*(%d+)"))
  if f then f:close() end
  if not kib or kib < 8 << 20 then return nil, "wants 8 GiB of free memory" end
  return { name = "curve_queue.lua 10000000", command = ("%s %s full 10000000"):format(
    quote(place.lua), quote(place.here .. "workloads/curve_queue.lua")) }
end

return programs
