-- run.lua [--quick] [--rounds N]: takes all figures of this bench, and writes bench/out/report.md.
--
-- Needs tidepool on the paths of Lua, and the programs of build/bench: `make bench` provides both.
-- Each round runs every program once, in a process of its own. The status is 1 if a program of
-- tidepool failed. A peer that fails is named in the report, and does not stop the others.
-- SPDX-License-Identifier: MIT

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "?.lua;" .. package.path
package.cpath = here .. "../build/bench/?.so;" .. package.cpath
local now = require("bench_native").now
local curves = require "curves"
local figures = require "figures"
local programs = require "programs"
local report = require "report"
local round = require "round"

local OUT = here .. "out/"
-- Seconds after which a program counts as failed.
local LONGEST, LONGEST_PEER = 300, 60

-- Returns the command by which this interpreter was started.
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
  return quick, rounds or (quick and 1 or 5)
end

-- Runs a program and puts its values into v. Returns nil and a message if it failed.
local function run_program(program, v)
  local command = ("timeout %d sh -c %s"):format(
    program.peer and LONGEST_PEER or LONGEST, programs.quote(program.command))
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do
    v:read(line, program.peer)
  end
  local ok, how, code = pipe:close()
  if not ok then return nil, ("%s: %s %d"):format(program.name, how, code) end
  return true
end

local started = os.time()
local quick, number = read_arguments()
local place = {
  here = here, build = here .. "../build/bench/", lua = interpreter(),
  mode = quick and "quick" or "full",
}
local load_before = report.load_average()
programs.install(place)
local list, notes = programs.list(place)
local rounds, failed = {}, false

local function run(program, v, where)
  io.stderr:write(where, ": ", program.name)
  local start = now()
  local ok, message = run_program(program, v)
  io.stderr:write((": %.1f s\n"):format(now() - start))
  if ok then return end
  io.stderr:write(message, "\n")
  notes[#notes + 1] = ("failed in %s: %s"):format(where, message)
  failed = failed or not program.peer
end

local function write_page()
  assert(os.execute("mkdir -p " .. programs.quote(OUT)))
  local here_notes = table.move(notes, 1, #notes, 1, {})
  local plots = curves.plot(rounds, OUT, here_notes)
  local text = report.write(figures, rounds, {
    quick = quick, lua = _VERSION, load = load_before, notes = here_notes, plots = plots,
    minutes = os.difftime(os.time(), started) / 60,
  })
  local f <close> = assert(io.open(OUT .. "report.md", "w"))
  f:write(text)
  return text
end

for i = 1, number do
  rounds[i] = round.new()
  for _, program in ipairs(list) do
    run(program, rounds[i], ("round %d of %d"):format(i, number))
  end
  write_page() -- an interrupted bench keeps the finished rounds
end
local huge, why = programs.huge(place)
if huge then
  run(huge, rounds[number], "the end")
else
  notes[#notes + 1] = "ten million queued: " .. why
end

io.write(write_page())
io.stderr:write("written to ", OUT, "report.md\n")
os.exit(not failed, true)
