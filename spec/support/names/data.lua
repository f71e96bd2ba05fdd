-- data: a module without functions.
--
-- SPDX-License-Identifier: MIT
return { limits = { low = 1, high = 9 }, words = { "a", "b" } }
