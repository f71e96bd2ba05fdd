-- report.lua: turns the values of all rounds into a page of Markdown.
-- SPDX-License-Identifier: MIT

local shapes = require "shapes"

local report = {}

--- Returns median, least and greatest of fn(v) over the rounds that have it; nil if none has.
local function spread(rounds, fn)
  local values = {}
  for _, v in ipairs(rounds) do
    local ok, value = pcall(fn, v) -- a program that failed left its values out
    if ok and value and value == value then values[#values + 1] = value end
  end
  if #values == 0 then return nil end
  table.sort(values)
  local half = #values // 2
  local median = #values % 2 == 1 and values[half + 1] or (values[half] + values[half + 1]) / 2
  return median, values[1], values[#values]
end

-- Returns a number as text with three digits or more, without an exponent.
local function digits(x)
  local size = math.abs(x)
  return (size >= 100 and "%.0f" or size >= 10 and "%.1f" or size >= 0.1 and "%.2f" or "%.3f")
    :format(x)
end

-- Pads the columns to equal width, so that a terminal shows the page well.
local function make_table(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, utf8.len(cell))
    end
  end
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      cells[i] = cell .. (" "):rep(widths[i] - utf8.len(cell))
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
    if n == 1 then
      for i, width in ipairs(widths) do
        cells[i] = ("-"):rep(width)
      end
      lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
    end
  end
  return table.concat(lines, "\n")
end

local function with_unit(x, unit)
  local text = digits(x / unit[2])
  return unit[1] == "" and text or text .. " " .. unit[1]
end

local function range(least, greatest, unit)
  return digits(least / unit[2]) .. " – " .. digits(greatest / unit[2])
end

-- ------------------------------------------------------------------- targets --

local function absent(rounds, figure)
  return figure.needs and rounds[1].absent[figure.needs]
end

-- Returns the row of a figure, and whether it missed its target.
local function figure_row(figure, rounds)
  local unit = figure.unit
  local bound = figure.at_most or figure.at_least
  local row = { tostring(figure.point), figure.title, "–" }
  if bound then
    row[3] = (figure.at_most and "at most " or "at least ") .. with_unit(bound * unit[2], unit)
  end
  local median, least, greatest = spread(rounds, figure.value)
  if not median then
    local why = absent(rounds, figure) and "not there yet" or "not measured"
    return table.move({ why, "", bound and why or "" }, 1, 3, 4, row), false
  end
  local missed = figure.at_most and median / unit[2] > figure.at_most or
    figure.at_least and median / unit[2] < figure.at_least
  row[4], row[5] = with_unit(median, unit), range(least, greatest, unit)
  row[6] = not bound and "" or missed and "**missed**" or "met"
  return row, missed
end

local function targets(figures, rounds)
  local rows = { { "point", "figure", "target", "median", "min – max", "verdict" } }
  local missed, met, unknown = {}, 0, 0
  for _, figure in ipairs(figures.list) do
    local row, is_missed = figure_row(figure, rounds)
    rows[#rows + 1] = row
    if is_missed then
      missed[#missed + 1] = ("- point %s, %s: %s instead of %s"):format(
        row[1], row[2], row[4], row[3])
    elseif row[6] == "met" then
      met = met + 1
    elseif row[6] ~= "" then
      unknown = unknown + 1
    end
  end
  local head = ("%d targets met, %d missed, %d not measured."):format(met, #missed, unknown)
  if #missed > 0 then head = head .. " Missed:\n\n" .. table.concat(missed, "\n") end
  return head, make_table(rows)
end

-- ------------------------------------------------------------------- peers --

-- Returns the sorted names of the peers that gave values.
local function peers_of(rounds)
  local seen, names = {}, {}
  for _, v in ipairs(rounds) do
    for key in pairs(v) do
      local peer = key:match("^(.-)%.")
      if peer and not seen[peer] then
        seen[peer] = true
        names[#names + 1] = peer
      end
    end
  end
  table.sort(names)
  return names
end

-- Returns a function that computes how many times better tidepool is than the peer in a round.
local function advantage(row, peer)
  return function(v)
    local own, other = row[3](v), v[peer .. "." .. row[4]]
    return row.more and own / other or other / own
  end
end

local function peers_table(figures, rounds)
  local peers = peers_of(rounds)
  if #peers == 0 then return "No peer was there." end
  local rows = { { "", "tidepool", table.unpack(peers) } }
  for _, row in ipairs(figures.rows) do
    local own = spread(rounds, row[3])
    local cells = { row[1], own and with_unit(own, row[2]) or "not measured" }
    for _, peer in ipairs(peers) do
      local value = spread(rounds, function(v) return v[peer .. "." .. row[4]] end)
      local ratio, least, greatest = spread(rounds, advantage(row, peer))
      cells[#cells + 1] = not value and "–" or not ratio and with_unit(value, row[2]) or
        ("%s (%s%s; %s)"):format(with_unit(value, row[2]), ratio < 1 and "**behind** " or "",
          digits(ratio), range(least, greatest, { "", 1 }))
    end
    rows[#rows + 1] = cells
  end
  return make_table(rows)
end

-- ------------------------------------------------------------------ the rest --

-- One row per name, with the columns of figures.shape_columns or map_columns.
local function table_of(columns, head, names, rounds)
  local rows = { { head } }
  for i, column in ipairs(columns) do
    rows[1][i + 1] = column[1]
  end
  for _, name in ipairs(names) do
    local row = { name[2] }
    for i, column in ipairs(columns) do
      local median, least, greatest = spread(rounds, function(v) return column[3](v, name[1]) end)
      row[i + 1] = median and ("%s (%s)"):format(with_unit(median, column[2]),
        range(least, greatest, column[2])) or "not measured"
    end
    rows[#rows + 1] = row
  end
  return make_table(rows)
end

local function limits_table(figures, rounds)
  local rows = { { "limit", "median", "min – max" } }
  for _, limit in ipairs(figures.limits) do
    local key, title, unit = table.unpack(limit)
    local median, least, greatest = spread(rounds, function(v) return v[key] end)
    rows[#rows + 1] = median and { title, with_unit(median, unit), range(least, greatest, unit) } or
      { title, "not measured", "" }
  end
  return make_table(rows)
end

local function output(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local line = pipe and pipe:read("l")
  if pipe then pipe:close() end
  return line or "unknown"
end

--- Returns the load average of the last minute, as text.
function report.load_average()
  return output("cut -d ' ' -f 1 /proc/loadavg")
end

--- Returns the page. rounds: one table of values per round. context: `quick`; `lua`, the version;
--- `load`, the load average at the start; `notes`; `plots`, file and title each; `minutes`.
function report.write(figures, rounds, context)
  local page = {}
  local function add(...)
    for _, text in ipairs { ... } do
      page[#page + 1] = text
      page[#page + 1] = ""
    end
  end
  local verdict, target_table = targets(figures, rounds)
  add("# Figures of tidepool",
    ("%s, %d rounds%s, %.1f minutes. How each is taken: bench/README.md."):format(
      os.date("!%Y-%m-%d %H:%M UTC"), #rounds, context.quick and ", quick mode" or "",
      context.minutes),
    ("Machine: %s processors, %s, %s, %s. Load average before the first round: %s."):format(
      output("nproc"), output("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1"),
      output("uname -sr"), context.lua, context.load),
    verdict,
    "## Targets", target_table,
    "A ratio (×) is taken within each round; the median is that of the rounds' ratios.",
    "## Beside others",
    peers_table(figures, rounds),
    "In parentheses: how many times as good tidepool is in the same round, median; min – max.",
    "## The machine's own limits", limits_table(figures, rounds),
    "## Shapes of values, there and back")
  local names = {}
  for i, shape in ipairs(shapes.list) do
    names[i] = { shape.name, shape.title }
  end
  add(table_of(figures.shape_columns, "shape", names, rounds),
    "## map: default options, and the best of chunksizes by hand",
    table_of(figures.map_columns, "items", figures.map_kinds, rounds),
    "## Cost curves")
  for _, plot in ipairs(context.plots) do
    add(("![%s](%s)"):format(plot.title, plot.file))
  end
  if #context.notes > 0 then
    add("## What is missing, and why", "- " .. table.concat(context.notes, "\n- "))
  end
  return table.concat(page, "\n")
end

return report
