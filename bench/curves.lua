-- curves.lua: the plots of the cost curves, drawn by gnuplot.
-- SPDX-License-Identifier: MIT

local curves = {}

--- The plots: file, title, titles of the axes, then name and title of each curve. `linear` names a
--- curve beside which a line in proportion to x is drawn.
local list = {
  { file = "queue.png", title = "Cost of a no-op against the length of the queue",
    x = "no-ops queued", y = "µs per no-op", scale = 1e6,
    { "queue_both", "submit, run and collect" }, { "queue_submit", "submit" },
    { "queue_collect", "run and collect" } },
  { file = "live.png", title = "Cost of a no-op against how many futures are alive",
    x = "futures alive", y = "µs per no-op", scale = 1e6,
    { "live_no_op", "submit, run and collect, 1,000 at a time" } },
  { file = "wait.png", title = "Whole cost of wait and as\\_completed",
    x = "futures", y = "ms in all", scale = 1e3, linear = "wait",
    { "wait", "wait" }, { "as_completed", "as\\_completed" } },
  { file = "workers.png", title = "Cost of a no-op against the number of workers",
    x = "workers", y = "µs per no-op", scale = 1e6, base = 2,
    { "workers_no_op", "many submitted, then collected" },
    { "workers_round_trip", "one round trip, p50" } },
}

-- Returns the points of a curve over all rounds: x, median, least and greatest y.
local function gather(rounds, name)
  local by_x, order = {}, {}
  for _, v in ipairs(rounds) do
    for _, point in ipairs(v.curves[name] or {}) do
      local x, y = table.unpack(point)
      if not by_x[x] then
        by_x[x] = {}
        order[#order + 1] = x
      end
      table.insert(by_x[x], y)
    end
  end
  table.sort(order)
  local points = {}
  for i, x in ipairs(order) do
    local ys = by_x[x]
    table.sort(ys)
    points[i] = { x, ys[(#ys + 1) // 2], ys[1], ys[#ys] }
  end
  return points
end

-- One block of inline data per curve.
local function data_block(name, points, scale)
  local lines = { ("$%s << END"):format(name) }
  for _, p in ipairs(points) do
    lines[#lines + 1] = ("%g %g %g %g"):format(p[1], p[2] * scale, p[3] * scale, p[4] * scale)
  end
  lines[#lines + 1] = "END"
  return table.concat(lines, "\n")
end

local function script_of(plot, rounds, path)
  local blocks, drawn = {}, {}
  local x_min, x_max, y_min, y_max = math.huge, 0, math.huge, 0
  for i, curve in ipairs(plot) do
    local points = gather(rounds, curve[1])
    if #points > 0 then
      x_min, x_max = math.min(x_min, points[1][1]), math.max(x_max, points[#points][1])
      for _, p in ipairs(points) do
        y_min, y_max = math.min(y_min, p[3] * plot.scale), math.max(y_max, p[4] * plot.scale)
      end
      blocks[#blocks + 1] = data_block(curve[1], points, plot.scale)
      drawn[#drawn + 1] = ("$%s using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.8 lc %d title '%s'")
        :format(curve[1], i, curve[2])
      if curve[1] == plot.linear then
        local last = points[#points]
        drawn[#drawn + 1] = ("%g * x with lines dt 2 lc rgb 'gray40' title 'in proportion'")
          :format(last[2] * plot.scale / last[1])
      end
    end
  end
  if #drawn == 0 then return nil end
  return table.concat({
    "set terminal pngcairo size 900,540 font 'sans,11' background rgb 'white'",
    ("set output '%s'"):format(path),
    ("set title '%s'"):format(plot.title),
    ("set xlabel '%s'"):format(plot.x),
    ("set ylabel '%s'"):format(plot.y),
    ("set logscale x %d"):format(plot.base or 10),
    "set logscale y 10",
    plot.base and "set format x '%.0f'" or "set format x '10^{%T}'",
    "set format y '%g'",
    "set grid xtics ytics mytics lc rgb 'gray80', lc rgb 'gray92'",
    "set key top left reverse Left",
    ("set xrange [%g:%g]"):format(x_min * 0.8, x_max * 1.25),
    -- Leaves space for the key, and makes the range wide enough that noise shows no trend.
    ("set yrange [%g:%g]"):format(y_min / 2, math.max(y_max * 5, y_min * 20)),
    table.concat(blocks, "\n"),
    "plot " .. table.concat(drawn, ", \\\n  "),
  }, "\n") .. "\n"
end

--- Draws all plots into the directory `out`. Returns file and title of each. A plot that cannot be
--- drawn is named in `notes`.
function curves.plot(rounds, out, notes)
  local plots = {}
  for _, plot in ipairs(list) do
    local script = script_of(plot, rounds, out .. plot.file)
    if not script then
      notes[#notes + 1] = plot.file .. ": no points"
    else
      local pipe = assert(io.popen("gnuplot 2>&1", "w"))
      pipe:write(script)
      if pipe:close() then
        plots[#plots + 1] = { file = plot.file, title = plot.title:gsub("\\", "") }
      else
        notes[#notes + 1] = plot.file .. ": gnuplot did not draw it"
      end
    end
  end
  return plots
end

return curves
