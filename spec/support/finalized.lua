-- finalized: a module whose objects have finalizers, and a metatable that is its own.
--
-- SPDX-License-Identifier: MIT

local Object = {}
Object.__index = Object

local M = { Object = Object, finalized = 0 }

function Object.__gc() M.finalized = M.finalized + 1 end

function M.new(n) return setmetatable({ n = n }, Object) end

function M.collect()
  collectgarbage()
  collectgarbage()
  return M.finalized
end

return M
