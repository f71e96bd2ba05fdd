-- whole: completes the table of another module, which so has two names.
--
-- SPDX-License-Identifier: MIT
local M = require "spec.support.names.whole.part"
function M.extra() return "extra" end
return M
