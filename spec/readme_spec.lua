-- The Lua in README.md runs as it is printed, and prints what it says: what follows `-->` in a
-- comment begins with a line that is printed.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"

local function blocks()
  local file <close> = assert(io.open "README.md")
  local list = {}
  for code in file:read("a"):gmatch "\n```lua\n(.-)\n```" do list[#list + 1] = code end
  return list
end

describe("README.md", function()
  after_each(h.finish)

  it("has snippets", function() assert.is_true(#blocks() >= 3) end)

  for number, code in ipairs(blocks()) do
    it(("has a snippet %d that runs as printed"):format(number), function()
      local printed = {}
      for line in h.runs(code):gmatch "[^\n]+" do printed[line] = true end
      for promise in code:gmatch "%-%-> ([^\n:,]+)" do
        assert.is_true(printed[promise], "not printed: " .. promise)
      end
    end)
  end
end)
