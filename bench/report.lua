-- report.lua: turns the values of all rounds into a page of Markdown.
-- SPDX-License-Identifier: MIT

local report = {}

-- Median, least and greatest of the values that fn finds in each round; nil if a round has none.
local function spread(rounds, fn)
  local values = {}
  for i, v in ipairs(rounds) do
    local ok, value = pcall(fn, v) -- a program that failed left its values out
    if not ok or not value then return nil end
    values[i] = value
  end
  table.sort(values)
  local half = #values // 2
  local median = #values % 2 == 1 and values[half + 1] or (values[half] + values[half + 1]) / 2
  return median, values[1], values[#values]
end

-- Three digits or more, without an exponent.
local function digits(x)
  local size = math.abs(x)
  return (size >= 100 and "%.0f" or size >= 10 and "%.1f" or "%.2f"):format(x)
end

-- Columns of equal width, so that the page can be read in a terminal too.
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

local function range(least, greatest, scale)
  return digits(least / scale) .. " – " .. digits(greatest / scale)
end

local function figure_row(figure, rounds)
  local unit, scale = table.unpack(figure.unit)
  local median, least, greatest = spread(rounds, figure.value)
  if not median then return { figure.title, "failed", "", "", "", "" } end
  local row = { figure.title, digits(median / scale) .. " " .. unit, range(least, greatest, scale) }
  local limit = figure.limit and spread(rounds, figure.limit)
  if not limit then return table.move({ "", "", "" }, 1, 3, 4, row) end
  local ratio, least_ratio, greatest_ratio = spread(rounds, function(v)
    return figure.value(v) / figure.limit(v)
  end)
  row[4] = ("%s %s: %s"):format(digits(limit / scale), unit, figure.limit_title)
  row[5] = digits(ratio)
  row[6] = range(least_ratio, greatest_ratio, 1)
  return row
end

local function limit_row(limit, rounds)
  local key, title, unit = table.unpack(limit)
  local median, least, greatest = spread(rounds, function(v) return v[key] end)
  if not median then return { title, "failed", "" } end
  return { title, digits(median / unit[2]) .. " " .. unit[1], range(least, greatest, unit[2]) }
end

local function output(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local line = pipe and pipe:read("l")
  if pipe then pipe:close() end
  return line or "unknown"
end

--- How many threads wanted to run in the last minute, as the system counts them: a word.
function report.load_average()
  return output("cut -d ' ' -f 1 /proc/loadavg")
end

--- The page. rounds: one table of values per round. failures: messages.
--- context: `quick`, a boolean; `lua`, the version's name; `load`, the load average before it all.
function report.write(figures, rounds, failures, context)
  local rows = {
    { "figure", "median", "min – max", "the machine's own limit", "ratio", "min – max" },
  }
  for _, figure in ipairs(figures.list) do
    rows[#rows + 1] = figure_row(figure, rounds)
  end
  local limits = { { "limit", "median", "min – max" } }
  for _, limit in ipairs(figures.limits) do
    limits[#limits + 1] = limit_row(limit, rounds)
  end
  local page = {
    "# Figures of tidepool",
    "",
    ("%s, %d rounds%s. How each is taken: bench/README.md."):format(
      os.date("!%Y-%m-%d %H:%M UTC"), #rounds, context.quick and ", quick mode" or ""),
    "",
    ("Machine: %s processors, %s, %s, %s. Load average before the first round: %s."):format(
      output("nproc"), output("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1"),
      output("uname -sr"), context.lua, context.load),
    "",
    make_table(rows),
    "",
    "A ratio is the figure over the limit, taken within each round.",
    "",
    make_table(limits),
    "",
  }
  for _, message in ipairs(failures) do
    page[#page + 1] = "Failed: " .. message .. "\n"
  end
  return table.concat(page, "\n")
end

return report
