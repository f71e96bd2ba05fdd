-- chart.lua: draws the comparison table of README.md as an SVG picture, on standard output:
-- lua5.4 bench/chart.lua > docs/comparison.svg
--
-- Each row of the table becomes a group of bars, one bar for each column, on a scale of its own.
-- The greatest figure of a row has the longest bar. Rows with "a second" say that more is better.
-- SPDX-License-Identifier: MIT

local LABELS, BARS, WIDTH = 190, 440, 720 -- columns of the picture, in pixels
local BAR, GAP, TITLE = 15, 4, 30 -- heights

local root = arg[0]:match "^(.*)/[^/]*$" or "."
local file <close> = assert(io.open(root .. "/../README.md"))
local text = file:read "a"

local function cells(row)
  local list = {}
  for cell in row:gmatch "| *([^|]-) *%f[|]" do list[#list + 1] = cell end
  return list
end

local table_of_figures = assert(text:match "\n(| | tidepool |.-)\n\n", "no table in README.md")
local rows = {}
for row in table_of_figures:gmatch "[^\n]+" do rows[#rows + 1] = cells(row) end
local names = table.remove(rows, 1)
table.remove(rows, 1) -- the rule below the names

local out, y = {}, 8

local function add(format, ...) out[#out + 1] = format:format(...) end

local function escape(s) return (s:gsub("&", "&amp;"):gsub("<", "&lt;")) end

local function bar(name, figure, greatest)
  local value = tonumber(figure)
  local length = value and math.max(1, value / greatest * BARS) or 0
  local class = name == "tidepool" and "own" or "other"
  add('<text class="name" x="%d" y="%d">%s</text>', LABELS - 8, y + 12, escape(name))
  add('<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>', class, LABELS, y, length, BAR)
  add('<text x="%.1f" y="%d">%s</text>', LABELS + length + 6, y + 12, escape(figure))
  y = y + BAR + GAP
end

for _, row in ipairs(rows) do
  local greatest = 0
  for i = 2, #names do greatest = math.max(greatest, tonumber(row[i]) or 0) end
  local better = row[1]:find "a second" and "more is better" or "less is better"
  add('<text class="title" x="0" y="%d">%s: %s</text>', y + 16, escape(row[1]), better)
  y = y + TITLE
  for i = 2, #names do bar(names[i], row[i], greatest) end
  y = y + 10
end

print(([[
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">
<title>tidepool beside other libraries: the comparison table of README.md</title>
<style>
text { font: 12px sans-serif; fill: #24292f }
.title { font-weight: bold }
.name { text-anchor: end }
.own { fill: #0969da }
.other { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .own { fill: #2f81f7 }
  .other { fill: #6e7681 }
}
</style>
%s
</svg>]]):format(WIDTH, y, WIDTH, y, table.concat(out, "\n")))
