-- complex: a class whose metatable is a local of its module.
--
-- SPDX-License-Identifier: MIT
local M, mt = {}, {}
mt.__index = M

local function is(x) return getmetatable(x) == mt end

function M.new(r, i) return setmetatable({ r = r, i = i }, mt) end

function mt.__add(a, b)
  if not (is(a) and is(b)) then error("complex expected", 2) end
  return M.new(a.r + b.r, a.i + b.i)
end

function M.abs(z)
  if not is(z) then error("complex expected", 2) end
  return (z.r ^ 2 + z.i ^ 2) ^ 0.5
end

function M.is(x) return is(x) end

return M
