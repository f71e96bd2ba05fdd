-- extended: a module into which a spec puts something, before anything of it was sent.
--
-- SPDX-License-Identifier: MIT
return { own = function() return "own" end }
