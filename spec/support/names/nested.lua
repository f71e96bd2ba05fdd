-- nested: objects at many places of a module, and places where scripts store theirs.
--
-- SPDX-License-Identifier: MIT
local M = { a = { b = { Class = {} } }, conf = { debug = false }, registry = { classes = {} } }

local Class = M.a.b.Class
Class.__index = Class
function Class.new(x) return setmetatable({ x = x }, Class) end
function Class:get() return self.x end

-- A metatable without functions, reached from the module by two upvalues.
local marker = { __name = "marker" }
local function mark(x) return setmetatable(x, marker) end
function M.mark(x) return mark(x) end
function M.marked(x) return getmetatable(x) == marker end

-- A class whose metatable is kept by its metatable alone.
local Hidden = setmetatable({}, { __index = { kind = function() return "hidden" end } })
Hidden.__index = Hidden
function M.hidden(x) return setmetatable({ x = x }, Hidden) end
function M.is_hidden(x) return getmetatable(x) == Hidden end

-- Values that scripts set.
function M.setup(conf) M.conf = conf end
function M.debug() return M.conf.debug end
local private = {}
function M.register(name, class) private[name] = class end
function M.registered(name) return private[name] end

-- Closures, made here and by callers.
function M.adder(n) return function(x) return x + n end end
M.add1 = M.adder(1)

return M
