-- Handles in finalizers. Each call returns the value or raises a clear error, and uses no freed
-- memory. A finalizer may use what was finalised before it, in a collection and while the state
-- closes.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"
local handles = require "spec.support.handles"

-- Objects of three ages whose finalizers use all handles in every way.
local function drop(ex, used)
  local box = {}
  local function user(name)
    return setmetatable({ box = box }, { __gc = function(u)
      for _, result in ipairs(handles.use(u.box)) do used[#used + 1] = name .. result end
    end })
  end
  box.first = user "first: "
  handles.make(ex, box)
  box.last = user "last: "
end

local function check(used)
  assert.is_true(#used > 100, #used)
  for _, words in ipairs(used) do assert.is_nil(words:match "nil value", words) end
end

describe("Handles in finalizers", function()
  after_each(h.finish)

  it("of the same collection", function()
    local ex, used = h.pool(2), {}
    for _ = 1, 3 do
      drop(ex, used)
      collectgarbage()
      collectgarbage()
    end
    check(used)
  end)

  it("of older and younger generations", function()
    local ex, used = h.pool(2), {}
    collectgarbage "generational"
    for _ = 1, 3 do
      drop(ex, used)
      for _ = 1, 5 do collectgarbage "step" end
    end
    collectgarbage()
    collectgarbage "incremental"
    collectgarbage()
    check(used)
  end)

  it("in a worker, and while its state closes", function()
    local ex = h.pool { max_workers = 2, max_tasks_per_worker = 1 }
    for _ = 1, 3 do
      ex:submit(function()
        local mine = require "spec.support.handles"
        local own = require "tidepool".executor(1)
        local box = {}
        box.user = setmetatable({}, { __gc = function() mine.use(box, true) end })
        mine.make(own, box)
        kept_until_the_end = box -- luacheck: ignore 111
      end):result()
    end
  end)

  for name, ending in pairs { ["off its end"] = "", ["by an error"] = "error 'x'",
    ["by os.exit"] = "os.exit(0, true)" } do
    it("while a script's state closes, " .. name, function()
      local r = h.run_script([[
        local handles = require "spec.support.handles"
        local ex = require "tidepool".executor(2)
        local box = {}
        box.first = setmetatable({}, { __gc = function() print(#handles.use(box, true)) end })
        handles.make(ex, box)
        box.last = setmetatable({}, { __gc = function() print(#handles.use(box, true)) end })
        kept = { box }
      ]] .. ending)
      assert.is_nil(r.signal)
      assert.equal(name == "by an error" and 1 or 0, r.status, r.stderr)
      assert.is_nil(r.stderr:match "Sanitizer", r.stderr)
      local first, last = r.stdout:match "^(%d+)\n(%d+)\n$"
      assert.is_true(tonumber(first) > 30 and tonumber(last) > 30, r.stdout)
    end)
  end

  it("a map's iterator gives strings of its run, or says that it is collected", function()
    local ex = h.pool(1)
    local seen = {}
    local items = {}
    for i = 1, 2000 do items[i] = i end
    for late = 0, 1 do
      do
        local box = {}
        local function user()
          return setmetatable({}, { __gc = function()
            for _ = 1, 3 do seen[#seen + 1] = { pcall(box.it) } end
          end })
        end
        if late == 0 then box.user = user() end
        box.it = ex:map(function(i) return ("%050d"):format(i) end, items)
        for _ = 1, 200 do box.it() end
        if late == 1 then box.user = user() end
      end
      for _ = 1, 5 do collectgarbage() end
    end
    assert.equal(6, #seen)
    for _, r in ipairs(seen) do
      if r[1] then
        assert.equal(("%050d"):format(r[2]), r[3])
      else
        h.contains("collected already", tostring(r[2]))
      end
    end
  end)
end)
