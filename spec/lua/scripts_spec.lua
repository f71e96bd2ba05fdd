-- Scripts that start tidepool, in unusual conditions: another Lua, symbolic links, a lock of apt
-- that another program has.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, before_each, after_each = h.busted()
local assert = require "luassert"

local dir -- a folder of the test's own

-- Runs a command of the shell. Returns its status and what it printed on both streams.
local function sh(command)
  local pipe = assert(io.popen(("{ %s; } 2>&1"):format(command)))
  local text = pipe:read "a"
  local _, _, status = pipe:close()
  return status, text
end

local function write(name, text)
  local file <close> = assert(io.open(dir .. "/" .. name, "w"))
  assert(file:write(text))
end

local function program(name, text)
  write(name, text)
  assert.equal(0, (sh(("chmod +x %s/%s"):format(dir, name))))
end

local function here()
  local _, path = sh "pwd"
  return (path:gsub("\n$", ""))
end

local function make_dir()
  dir = os.tmpname()
  os.remove(dir)
  assert.equal(0, (sh("mkdir " .. dir)))
end

local function remove_dir() sh("rm -rf " .. dir) end

describe("require 'tidepool' under another Lua", function()
  before_each(make_dir)
  after_each(remove_dir)

  local versions = {
    ["lua5.1"] = "Lua 5.1", ["lua5.2"] = "Lua 5.2", ["lua5.3"] = "Lua 5.3", luajit = "LuaJIT 2",
  }
  for lua, version in pairs(versions) do
    it(("says one line: %s"):format(lua), function()
      write("script.lua", [[
        local _, err = pcall(function()
          local tidepool = require "tidepool"
          return tidepool
        end)
        print(err)]])
      local env = "env -u LUA_PATH_5_2 -u LUA_PATH_5_3 LUA_INIT= LUA_CPATH= LUA_PATH=%s"
      local paths = h.quote "lua/?.lua;lua/?/init.lua"
      local status, text = sh((env .. " %s %s/script.lua"):format(paths, lua, dir))
      assert.equal(0, status)
      local line = dir .. "/script.lua:2: tidepool needs Lua 5.4, and this is " .. version
      assert.equal(line, text:sub(1, #line))
      assert.equal(1, select(2, text:gsub("\n", "")))
    end)
  end
end)

-- Makes a folder with a lua.h that is found before the real one.
describe("tidepool.h with the headers of another Lua", function()
  before_each(make_dir)
  after_each(remove_dir)

  local too_old = "tidepool needs Lua 5.4.4 or later of 5.4"
  local too_small = "tidepool needs a Lua whose integers and floats have 64 bits"

  local function compile(standard)
    write("host.c", "#include <tidepool.h>\nint main(void) { return tide_cpu_count(); }\n")
    return sh(("%s %s -fsyntax-only -I%s $(%s --cflags %s) -Icsrc/include %s/host.c"):format(
      os.getenv "CC" or "cc", standard, dir, os.getenv "PKG_CONFIG" or "pkg-config",
      os.getenv "LUA_PC" or "lua5.4", dir))
  end

  local function refuses(words, header, standard)
    write("lua.h", header)
    local status, text = compile(standard or "-std=c11")
    assert.equal(1, status)
    h.contains(words, text)
    assert.equal(1, select(2, text:gsub("error:", "")), text)
  end

  local function release(number)
    return ("#include_next <lua.h>\n#undef LUA_VERSION_RELEASE_NUM\n"
      .. "#define LUA_VERSION_RELEASE_NUM %d\n"):format(number)
  end

  local function numbers(name, type)
    return ("#include <luaconf.h>\n#undef %s\n#define %s %s\n#include_next <lua.h>\n"):format(
      name, name, type)
  end

  it("compiles with 5.4.4 and later", function()
    for _, number in ipairs { 50404, 50408, 50410 } do
      write("lua.h", release(number))
      for _, standard in ipairs { "c99", "c11" } do
        assert.same({ 0, "" }, { compile("-Wall -Wextra -Wundef -Werror -std=" .. standard) })
      end
    end
  end)

  it("refuses a release before 5.4.4", function()
    refuses(too_old, release(50403))
    refuses(too_old, release(50400))
  end)

  it("refuses another version", function()
    for _, number in ipairs { 503, 505 } do
      refuses(too_old, ("#include_next <lua.h>\n#undef LUA_VERSION_NUM\n"
        .. "#define LUA_VERSION_NUM %d\n"):format(number))
    end
  end)

  it("refuses integers or floats of 32 bits", function()
    refuses(too_small, numbers("LUA_INTEGER", "int"))
    refuses(too_small, numbers("LUA_NUMBER", "float"))
    refuses("tide_needs_64_bits", numbers("LUA_INTEGER", "int"), "-std=c99")
  end)
end)

describe("require 'tidepool' with a core of another version", function()
  it("says which", function()
    local core = h.runs [[print(require "tidepool.core".version)]]
    local r = h.run_script [[
      package.loaded["tidepool.core"] = { version = "9.9.9" }
      local tidepool = require "tidepool"]]
    assert.equal(1, r.status)
    h.contains(":2: a second copy of tidepool: its Lua files are of version " .. core:sub(1, -2)
      .. ", but tidepool.core is of version 9.9.9", r.stderr)
  end)
end)

describe("scripts/lua", function()
  before_each(make_dir)
  after_each(remove_dir)

  local print_path = "-e 'print(package.path:match \"^[^;]*\")'"

  it("works through symbolic links, from any folder", function()
    local root = here()
    assert.equal(0, (sh(("ln -s %s/scripts/lua %s/first && ln -s first %s/second && "
      .. "mkdir %s/bin && ln -s ../second %s/bin/third"):format(root, dir, dir, dir, dir))))
    for _, name in ipairs { "first", "second", "bin/third" } do
      local status, text = sh(("cd / && env -u SAN %s/%s %s"):format(dir, name, print_path))
      assert.same({ 0, root .. "/lua/?.lua\n" }, { status, text })
      status, text = sh(("cd %s && env -u SAN ./%s %s"):format(dir, name, print_path))
      assert.same({ 0, root .. "/lua/?.lua\n" }, { status, text })
    end
    local status, text = sh(("PATH=%s/bin:$PATH env -u SAN third %s"):format(dir, print_path))
    assert.same({ 0, root .. "/lua/?.lua\n" }, { status, text })
  end)

  it("works through a link to scripts/env and one to the folder", function()
    local root = here()
    assert.equal(0, (sh(("ln -s %s/scripts/env %s/env && ln -s %s %s/tree"):format(
      root, dir, root, dir))))
    local status, text = sh(("cd / && env -u SAN %s/env lua5.4 %s"):format(dir, print_path))
    assert.same({ 0, root .. "/lua/?.lua\n" }, { status, text })
    status, text = sh(("cd / && env -u SAN %s/tree/scripts/lua -e 'require [[tidepool]]; print(1)'")
      :format(dir))
    assert.same({ 0, "1\n" }, { status, text })
  end)

  it("does not mind CDPATH", function()
    local root = here()
    assert.equal(0, (sh(("mkdir -p %s/scripts"):format(dir))))
    local status, text = sh(("export CDPATH=%s; env -u SAN scripts/lua %s"):format(dir, print_path))
    assert.same({ 0, root .. "/lua/?.lua\n" }, { status, text })
  end)
end)

-- Imitates a machine: apt-get finds a lock taken for some calls, then installs a compiler.
describe("scripts/setup", function()
  before_each(function()
    make_dir()
    write("calls", "")
    program("sudo", '#!/bin/sh\nexec "$@"\n')
    program("sleep", "#!/bin/sh\nexit 0\n")
  end)
  after_each(remove_dir)

  local function apt(script)
    program("apt-get", ('#!/bin/sh\necho "$*" >>%s/calls\nn=$(wc -l <%s/calls)\n%s\n'):format(
      dir, dir, script))
  end

  local install = [[
    case "$*" in *install*) printf '#!/bin/sh\n' >%s/fakecc; chmod +x %s/fakecc ;; esac]]

  local function setup(settings)
    return sh(("env PATH=%s:$PATH CC='fakecc -O1' %s scripts/setup build"):format(
      dir, settings or ""))
  end

  local locks = {
    lists = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)\n"
      .. "E: Unable to lock directory /var/lib/apt/lists/",
    dpkg = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (dpkg)\n"
      .. "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend)",
    archives = "E: Could not get lock /var/cache/apt/archives/lock. It is held by process 7 (apt)\n"
      .. "E: Unable to lock directory /var/cache/apt/archives/",
  }
  for name, words in pairs(locks) do
    it("waits while another program has the lock: " .. name, function()
      apt(("[ $n -le 3 ] && { echo '%s'; exit 100; }\n"):format(words) .. install:format(dir, dir))
      local status, text = setup()
      assert.equal(0, status, text)
      local _, waits = text:gsub("waiting for another program", "")
      assert.equal(1, waits)
      local _, calls = sh(("grep -c 'DPkg::Lock::Timeout=600' %s/calls"):format(dir))
      assert.equal("5\n", calls) -- update, thrice in vain, then once; install
    end)
  end

  it("gives up once it has waited for long, and says why", function()
    apt(("echo '%s'; exit 100"):format(locks.lists))
    local status, text = setup "TIDE_APT_WAIT=0"
    assert.equal(1, status)
    h.contains("another program still has apt's lock", text)
    h.contains("could not install: gcc", text)
  end)

  it("does not wait where something else is wrong", function()
    apt "echo 'E: Unable to locate package gcc'; exit 100"
    local status, text = setup()
    assert.equal(1, status)
    h.contains("could not install: gcc", text)
    local _, calls = sh(("grep -c . %s/calls"):format(dir))
    assert.equal("2\n", calls)
  end)
end)
