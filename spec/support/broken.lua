-- broken: a module that cannot be loaded, for the specs of load failures.
--
-- SPDX-License-Identifier: MIT
error("this module is broken")
