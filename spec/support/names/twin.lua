-- twin: a module that each script may load under two names.
--
-- SPDX-License-Identifier: MIT
local M = {}
function M.me() return M end
return M
