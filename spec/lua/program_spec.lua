-- Programs that tasks start: io.popen, os.execute, and what a library forks.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local gate = require "gate"

local MASK = "grep SigBlk /proc/self/status"

local function by_popen(command)
  local p = io.popen(command)
  local text = p:read "a"
  return text, p:close()
end

-- Returns what fn(...) returns here and in a task.
local function both(fn, ...)
  return table.pack(fn(...)), table.pack(h.pool(1):submit(fn, ...):result())
end

local function same(fn, ...)
  local here, there = both(fn, ...)
  assert.same(here, there)
  return there
end

local function with_file(fn)
  local name = os.tmpname()
  local ok, err = pcall(fn, name)
  os.remove(name)
  if not ok then error(err, 0) end
end

describe("A program begins with the script's signals", function()
  after_each(h.finish)

  it("started by io.popen", function()
    assert.equal("exit", same(by_popen, MASK)[3])
    h.contains("0000000000000000", same(by_popen, MASK .. " | cat")[1])
  end)

  it("started by os.execute", function()
    with_file(function(name)
      local command = ("%s >%s"):format(MASK, h.quote(name))
      assert.is_true(h.pool(1):submit(os.execute, command):result())
      h.contains("0000000000000000", io.open(name):read "a")
    end)
  end)

  it("forked by a library, and in tasks of tasks", function()
    local function forked()
      return require "process".fork(function()
        return io.open("/proc/self/status"):read "a":match "SigBlk:%s*(%x+)"
      end)
    end
    assert.equal("true:0000000000000000", h.pool(1):submit(forked):result())
    local ex = h.pool(1)
    local function inner(popen, mask, fork)
      local own = require "tidepool".executor(1)
      return own:submit(popen, mask):result(), own:submit(fork):result()
    end
    local text, child = ex:submit(inner, by_popen, MASK, forked):result()
    h.contains("0000000000000000", text)
    assert.equal("true:0000000000000000", child)
  end)

  it("those blocked in the script are blocked", function()
    local out = h.runs([[
      local ex <close> = require "tidepool".executor(1)
      local function mask()
        local p <close> = io.popen "grep SigBlk /proc/self/status | cat"
        return p:read "a"
      end
      local function forked()
        return require "process".fork(function()
          return io.open("/proc/self/status"):read "a":match "SigBlk:%s*(%x+)"
        end)
      end
      print(mask() == ex:submit(mask):result())
      print(ex:submit(forked):result())
    ]], 0, { prefix = "env --block-signal=USR1 --block-signal=PIPE" })
    assert.equal("true\ntrue:0000000000001200\n", out)
  end)

  it("and ends when requested, or when its output is not read", function()
    local ex = h.pool(1)
    local function first() return by_popen "yes | head -n 1" end
    assert.equal("y\n", (ex:submit(first):result()))
    assert.same({ "", nil, "signal", 15, n = 4 }, same(by_popen, "kill -TERM $$; exit 0"))
    assert.same({ nil, "signal", 13, n = 3 }, same(function()
      local p = io.popen "exec yes"
      p:read "l"
      return p:close()
    end))
  end)
end)

describe("SIGPIPE in a worker", function()
  local code = [[
    local ex = require "tidepool".executor(1)
    local function write()
      local p = io.popen("exec true", "w")
      local ok, err, code
      repeat ok, err, code = p:write(("x"):rep(100000)) until not ok
      return err, code
    end
  ]]
  local ignoring = { prefix = [[sh -c 'trap "" PIPE; exec "$0" "$@"']] }

  it("ends the process, as in the script", function()
    local here = h.run_script(code .. "print(write())")
    local there = h.run_script(code .. "print(ex:submit(write):result())")
    assert.equal("", there.stdout)
    assert.is_true(there.status == 141 or there.signal == 13, there.status)
    assert.equal(here.status, there.status)
    assert.equal(here.signal, there.signal)
  end)

  it("makes an error where the script ignores it", function()
    assert.equal("Broken pipe\t32\n", h.runs(code .. "print(write())", 0, ignoring))
    assert.equal("Broken pipe\t32\n",
      h.runs(code .. "print(ex:submit(write):result())", 0, ignoring))
  end)
end)

describe("io.popen in a worker", function()
  after_each(h.finish)

  it("reads in all ways that files can be read", function()
    same(function()
      local p = io.popen "printf 'one\\ntwo\\n3 rest'"
      return io.type(p), tostring(p):match "^file %(0x", p:read "L", p:read(2), p:read "l",
        p:read "n", p:read "a", p:read "l", p:read(0), p:close()
    end)
    same(function()
      local seen = {}
      for a, b in io.popen("echo abc; echo def"):lines(1, "l") do
        seen[#seen + 1] = a .. "-" .. b
      end
      return table.concat(seen, ",")
    end)
    same(function()
      local before = io.input()
      io.input(io.popen "echo input")
      local text = io.read "l"
      io.close(io.input())
      io.input(before)
      return text
    end)
  end)

  it("closes with what the program ended by, once", function()
    for _, command in ipairs { "true", "exit 3", "kill -9 $$", "no-such-command 2>/dev/null" } do
      same(function(command_)
        local p = io.popen(command_)
        return p:close()
      end, command)
    end
    local there = same(function()
      local p = io.popen "true"
      p:close()
      return io.type(p), tostring(p), pcall(p.read, p), select(2, pcall(p.close, p))
    end)
    assert.equal("closed file", there[1])
  end)

  it("waits for the program at the end of a block, and when it is collected", function()
    with_file(function(name)
      h.pool(1):submit(function(name_)
        do
          local p <close> = io.popen("sleep 0.05; cat >" .. name_, "w")
          p:write "written"
        end
        local f <close> = io.open(name_)
        assert(f:read "a" == "written")
        io.popen("cat >>" .. name_, "w"):write " and more"
        collectgarbage()
        collectgarbage()
        f:seek "set"
        assert(f:read "a" == "written and more")
      end, name):result()
    end)
  end)

  it("writes, with buffers, and does not seek", function()
    with_file(function(name)
      for _, how in ipairs { "no", "line", "full" } do
        same(function(name_, how_)
          local p = io.popen("cat >" .. name_, "w")
          local set, wrote = p:setvbuf(how_), p:write("a", 1, 2.5) == p
          local seek = table.concat({ tostring(p:seek "cur"), select(2, p:seek "cur") }, " ")
          local flushed = p:flush() == p
          local closed = table.pack(p:close())
          local f <close> = io.open(name_)
          return set, wrote, seek, flushed, closed[1], closed[2], closed[3], f:read "a"
        end, name, how)
      end
    end)
  end)

  it("refuses modes and arguments as Lua's own", function()
    for _, args in ipairs { { "true", "rw" }, { "true", "" }, { "true", "a" }, { "true", "r+" }, {},
      { {} }, { "true", {} } } do
      same(function(args_) return pcall(io.popen, table.unpack(args_)) end, args)
    end
    local there = same(function() return io.popen("echo true", "r"):read "L" end)
    assert.same({ "true\n", n = 1 }, there)
  end)

  it("finds what the task wrote to files before", function()
    with_file(function(name)
      assert.equal("waits here", h.pool(1):submit(function(name_)
        local f = assert(io.open(name_, "w"))
        f:setvbuf("full", 4096)
        f:write "waits here"
        local p <close> = io.popen("cat " .. name_)
        return p:read "a"
      end, name):result())
    end)
    assert.equal("first\nsecond\n", h.runs [[
      local ex <close> = require "tidepool".executor(1)
      ex:submit(function()
        io.stdout:setvbuf("full", 4096)
        io.write "first\n"
        io.popen("echo second", "w"):close()
      end)
    ]])
  end)

  it("checks io.open's arguments as Lua's own", function()
    for _, args in ipairs { {}, { {} }, { "x", "z" }, { "/nowhere/x" }, { "x", {} }, { "x", "rr" },
      { "/nowhere/x", "w+b" } } do
      same(function(args_) return pcall(io.open, table.unpack(args_)) end, args)
    end
    same(function()
      local f <close> = io.tmpfile()
      f:write "x"
      return io.type(f), f:seek("set", 0), f:read "a"
    end)
  end)

  it("does not wait for a stream that another thread reads from", function()
    with_file(function(name)
      os.remove(name)
      assert(os.execute("mkfifo " .. h.quote(name)))
      local ex = h.pool(2)
      local reader = ex:submit(function(name_)
        local p = io.popen("cat " .. name_)
        require "gate".add "reads"
        return p:read "a", p:close() -- as long as nothing was written
      end, name)
      gate.await("reads", 1)
      local writer = ex:submit(function(name_)
        return io.popen("echo news >" .. name_):close()
      end, name)
      assert.is_true((writer:result(60)))
      assert.equal("news\n", (reader:result(60)))
    end)
  end)

  it("gives a program no end of another one's pipe", function()
    assert.equal("done", h.pool(1):submit(function()
      local one = io.popen("cat", "w")
      local two = io.popen "sleep 20 & echo started" -- has what it was given for long
      two:read "l"
      one:close() -- ends at once: no other process has its pipe
      return "done"
    end):result(15 * h.slow))
  end)

  it("reports what keeps a program from starting", function()
    local out = h.run_script([[
      local ex <close> = require "tidepool".executor(1)
      print(ex:submit(function()
        local files, f, err, code = {}
        repeat
          f, err, code = io.popen "exec true"
          files[#files + 1] = f
        until not f
        for _, p in ipairs(files) do p:close() end
        return err, code, io.popen "echo again":read "l"
      end):result())
    ]], { prefix = "sh -c 'ulimit -n 40; exec \"$0\" \"$@\"'" })
    assert.equal("exec true: Too many open files\t24\tagain\n", out.stdout)
  end)
end)
