-- run.lua [--quick] [--rounds N]: takes all figures of this bench, and writes bench/out/report.md.
--
-- Needs tidepool on the paths of Lua (scripts/lua sees to that), cc and pkg-config. Each round runs
-- every program once, in a process of its own; a figure's value is the median over the rounds, and
-- a ratio is taken within each round before its median is. Status 1 if a program failed.
-- SPDX-License-Identifier: MIT

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
local figures = require "figures"
local report = require "report"

local BUILD = here .. "../build/bench/"
local OUT = here .. "out/"
local LONGEST = 300 -- seconds; a program that takes longer is stuck

local function quote(s)
  return "'" .. s:gsub("'", [['\'']]) .. "'"
end

-- This interpreter, as it was called.
local function interpreter()
  local i = -1
  while arg[i - 1] do i = i - 1 end
  return arg[i]
end

local function read_arguments()
  local quick, rounds = false, nil
  local i = 1
  while arg[i] do
    if arg[i] == "--quick" then
      quick = true
    elseif arg[i] == "--rounds" and math.tointeger(tonumber(arg[i + 1])) then
      i = i + 1
      rounds = math.max(1, math.tointeger(tonumber(arg[i])))
    else
      io.stderr:write("usage: run.lua [--quick] [--rounds N]\n")
      os.exit(2)
    end
    i = i + 1
  end
  return quick, rounds or (quick and 3 or 5)
end

local function build_limits()
  local cc = os.getenv("CC") or "cc"
  local command = ("mkdir -p %s && %s -O2 -std=c11 -D_GNU_SOURCE %s -o %s " ..
    "$(pkg-config --cflags --libs lua5.4) -lpthread"):format(
    quote(BUILD), cc, quote(here .. "limits.c"), quote(BUILD .. "limits"))
  assert(os.execute(command), "could not build limits.c")
end

local function programs(quick)
  local mode = quick and "quick" or "full"
  local limits = quote(BUILD .. "limits") .. (quick and " 10" or "")
  local list = { { name = "limits", command = limits } }
  local lua = quote(interpreter())
  for _, workload in ipairs(figures.workloads) do
    local file, rest = workload:match("^(%S+)(.*)$")
    local script = quote(here .. "workloads/" .. file)
    list[#list + 1] = { name = workload, command = ("%s %s %s%s"):format(lua, script, mode, rest) }
  end
  return list
end

-- Runs a program and puts what it prints into v; nil and a message if it failed.
local function run_program(program, v)
  local pipe = assert(io.popen(("timeout %d %s"):format(LONGEST, program.command)))
  for line in pipe:lines() do
    local name, value = line:match("^(%S+)\t(%S+)$")
    if name then v[name] = tonumber(value) end
  end
  local ok, how, code = pipe:close()
  if not ok then return nil, ("%s: %s %d"):format(program.name, how, code) end
  return true
end

local function run_rounds(list, number)
  local rounds, failures = {}, {}
  for i = 1, number do
    rounds[i] = {}
    for _, program in ipairs(list) do
      io.stderr:write(("round %d of %d: %s\n"):format(i, number, program.name))
      local ok, message = run_program(program, rounds[i])
      if not ok then
        io.stderr:write(message, "\n")
        failures[#failures + 1] = ("round %d, %s"):format(i, message)
      end
    end
  end
  return rounds, failures
end

local quick, number = read_arguments()
build_limits()
local load_before = report.load_average()
local rounds, failures = run_rounds(programs(quick), number)
local text = report.write(figures, rounds, failures, {
  quick = quick, lua = _VERSION, load = load_before,
})

assert(os.execute("mkdir -p " .. quote(OUT)))
local f = assert(io.open(OUT .. "report.md", "w"))
f:write(text)
f:close()
io.write(text)
io.stderr:write("written to ", OUT, "report.md\n")
os.exit(#failures == 0, true)
