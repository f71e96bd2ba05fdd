-- whole.part: a table that another module completes.
--
-- SPDX-License-Identifier: MIT
local M = { base = { 1 } }
function M.part() return "part" end
return M
