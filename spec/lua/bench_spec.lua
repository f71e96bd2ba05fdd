-- The page of the benchmarks: the output of programs becomes values, and values become verdicts.
--
-- SPDX-License-Identifier: MIT
local h = require "spec.support.helper"
local describe, it, _, after_each = h.busted()
local assert = require "luassert"

local path = package.path
package.path = "bench/?.lua;" .. path
local figures = require "figures"
local programs = require "programs"
local report = require "report"
local round = require "round"
package.path = path

local MS, TIMES = { "ms", 1e-3 }, { "×", 1 }

local function round_of(...)
  local v = round.new()
  for _, line in ipairs { ... } do
    v:read(line)
  end
  return v
end

-- Makes the page of these figures, without peers, limits and plots.
local function page_of(list, rounds)
  local none = { list = list, rows = {}, limits = {}, shape_columns = {}, map_columns = {},
    map_kinds = {} }
  return report.write(none, rounds,
    { quick = true, lua = "Lua", load = "0", minutes = 0, notes = {}, plots = {} })
end

describe("bench: the values of a round", function()
  after_each(h.finish)

  it("are the lines of name, tab, value, those of a peer under its name", function()
    local v = round_of("one\t0.5", "no value", "two\t2e3")
    v:read("one\t7", "luv")
    assert.equal(0.5, v.one)
    assert.equal(2000.0, v.two)
    assert.equal(7, v["luv.one"])
  end)

  it("have curves, and tell how much they grow", function()
    local v = round_of("curve\tc\t1\t9", "curve\tc\t10\t2", "curve\tc\t1000\t3", "curve\tc\t1e7\t8")
    local growth, times = v:growth("c", 10)
    assert.equal(1.5, growth) -- ten million is requested by itself
    assert.equal(100, times)
    assert.equal(4, (v:growth("c", 10, 1e7)))
  end)
end)

describe("bench: the page", function()
  after_each(h.finish)

  it("names targets that are missed, from the median of the rounds", function()
    local rounds = { round_of "t\t0.001", round_of "t\t0.004", round_of "t\t0.003" }
    local function value(v) return v.t end
    local page = page_of({
      { point = 1, title = "quick enough", unit = MS, value = value, at_most = 3 },
      { point = 2, title = "too slow", unit = MS, value = value, at_most = 2.9 },
      { point = 3, title = "too few", unit = MS, value = value, at_least = 3.1 },
    }, rounds)
    assert.truthy(page:find("1 targets met, 2 missed, 0 not measured", 1, true))
    assert.truthy(page:find("point 2, too slow: 3.00 ms instead of at most 2.90 ms", 1, true))
    assert.truthy(page:find("point 3, too few: 3.00 ms instead of at least 3.10 ms", 1, true))
    assert.truthy(page:find("1.00 – 4.00", 1, true))
  end)

  it("takes a ratio within each round", function()
    local rounds = { round_of("a\t1", "b\t1"), round_of("a\t8", "b\t4"), round_of("a\t9", "b\t3") }
    local page = page_of({
      { point = 1, title = "ratio", unit = TIMES, value = function(v) return v.a / v.b end,
        at_most = 2 },
    }, rounds)
    assert.truthy(page:find("2.00 ×", 1, true)) -- that of the medians is 2.67
    assert.truthy(page:find("1 targets met", 1, true))
  end)

  it("tells what is not there from what was not measured", function()
    local page = page_of({
      { point = 8, title = "part", unit = MS, value = function(v) return v.x / 1 end, at_most = 1,
        needs = "share" },
      { point = 9, title = "lost", unit = MS, value = function(v) return v.x / 1 end, at_most = 1 },
    }, { round_of "absent\tshare" })
    assert.truthy(page:match "part[^\n]*not there yet")
    assert.truthy(page:match "lost[^\n]*not measured")
    assert.truthy(page:find("0 targets met, 0 missed, 2 not measured", 1, true))
  end)

  it("says where a peer is ahead", function()
    local v = round_of "own\t2"
    v:read("key\t1", "slow")
    v:read("key\t4", "fast")
    local page = report.write({ list = {}, limits = {}, shape_columns = {}, map_columns = {},
      map_kinds = {}, rows = {
        { "rate", TIMES, function(r) return r.own end, "key", more = true },
      } }, { v }, { lua = "Lua", load = "0", minutes = 0, notes = { "a note" }, plots = {} })
    assert.truthy(page:find("4.00 × (**behind** 0.50", 1, true))
    assert.truthy(page:find("1.00 × (2.00", 1, true))
    assert.truthy(page:find("- a note", 1, true))
  end)
end)

describe("bench: the programs", function()
  after_each(h.finish)

  it("are there, every one, and a peer that is not is named", function()
    local list, absent = programs.list { here = "bench/", build = "build/bench/", lua = "lua5.4",
      mode = "quick" }
    for _, program in ipairs(list) do
      local script = program.command:match "'(bench/[^']*)'"
      if script then assert.truthy(io.open(script), script) end
    end
    local known = table.concat(absent, "\n")
    for _, program in ipairs(list) do
      known = known .. "\n" .. (program.peer or "")
    end
    for _, peer in ipairs { "luv", "Lanes", "effil", "ltask", "mtmsg", "luaproc" } do
      assert.truthy(known:find(peer, 1, true), peer)
    end
  end)

  it("have figures for every point of the list of targets", function()
    local seen = {}
    for _, figure in ipairs(figures.list) do
      seen[figure.point] = true
      assert.is_false(figure.at_most ~= nil and figure.at_least ~= nil, figure.title)
    end
    assert.equal(11, #seen)
  end)
end)
