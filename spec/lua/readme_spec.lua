-- The Lua in README.md and docs/ runs as it is printed, and prints what it says: what follows
-- `-->` in a comment begins with a line that is printed. And tables are tables.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"

local function read(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

local function blocks(name)
  local list = {}
  for code in ("\n" .. read(name)):gmatch "\n```lua\n(.-)\n```" do list[#list + 1] = code end
  return list
end

for _, name in ipairs { "README.md", "docs/guide.md", "docs/embedding.md", "docs/migrating.md" } do
  describe(name, function()
    after_each(h.finish)

    for number, code in ipairs(blocks(name)) do
      it(("has a snippet %d that runs as printed"):format(number), function()
        local printed = {}
        for line in h.runs(code):gmatch "[^\n]+" do printed[line] = true end
        for promise in code:gmatch "%-%-> ([^\n:,]+)" do
          assert.is_true(printed[promise], "not printed: " .. promise)
        end
      end)
    end
  end)
end

describe("README.md", function()
  it("has 1,200 words at most", function()
    local _, words = read("README.md"):gsub("%S+", "")
    assert.is_true(words <= 1200, words .. " words")
  end)

  it("has a chart of the figures in its table", function()
    local pipe = assert(io.popen((os.getenv "TIDE_LUA" or "lua5.4") .. " bench/chart.lua"))
    local chart = pipe:read "a"
    assert.is_true(pipe:close())
    assert.equal(chart, read "docs/comparison.svg", "lua5.4 bench/chart.lua > docs/comparison.svg")
  end)
end)

-- Returns how many cells a row of a table has; nil: it is no row with a | at both ends. GitHub
-- splits at each | that has no backslash before it, in code too.
local function cells(row)
  local inner = row:match "^|(.*)|%s*$"
  if not inner or inner:find "\\$" then return nil end
  local _, bars = inner:gsub("\\|", ""):gsub("|", "")
  return bars + 1
end

-- Returns what is wrong with the tables of a text, as a list of messages.
local function table_faults(text)
  local faults, code, columns, number = {}, false, nil, 0
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  for i, line in ipairs(lines) do
    local function fault(what) faults[#faults + 1] = ("line %d: %s"):format(i, what) end
    if line:find "^%s*```" then code = not code end
    if code or not line:find "^%s*|" then
      if columns and not code and line:find "%S" then fault "no blank line behind a table" end
      columns = nil
    elseif not cells(line) then
      fault "a row that does not end with a |"
    elseif not columns then
      local rule = lines[i + 1] or ""
      if (lines[i - 1] or ""):find "%S" then fault "no blank line before a table" end
      if not rule:find "^|[%s:|-]+|%s*$" then fault "a row outside of a table: no |---| below" end
      columns, number = cells(line), number + 1
    elseif cells(line) ~= columns then
      fault(("%d cells in a table of %d columns"):format(cells(line), columns))
    end
  end
  return faults, number
end

describe("Tables in the documents", function()
  it("have as many cells in each row, and no hole", function()
    local pipe = assert(io.popen "ls *.md docs/*.md bench/*.md")
    local all = 0
    for name in pipe:lines() do
      local faults, number = table_faults(read(name))
      assert.same({}, faults, name)
      all = all + number
    end
    pipe:close()
    assert.is_true(all >= 6)
  end)

  it("are seen to be broken by a row too long or too short, and by a hole", function()
    local head = "\n| a | b |\n|---|---|\n"
    assert.same({}, (table_faults(head .. "| `x\\|y` | 2 |\n\ntext")))
    local function faults(rest) return (table_faults(head .. rest)) end
    assert.same({ "line 4: 3 cells in a table of 2 columns" }, faults "| `x|y` | 2 |")
    assert.same({ "line 4: 1 cells in a table of 2 columns" }, faults "| 2 |")
    assert.same({ "line 6: a row outside of a table: no |---| below" },
      faults "| 1 | 2 |\n\n| 3 | 4 |")
    assert.same({ "line 4: no blank line behind a table" }, faults "text")
    assert.same({ "line 4: a row that does not end with a |" }, faults "| 1 | 2")
    assert.same({}, (table_faults("```\n| not a table\n```")))
  end)
end)
