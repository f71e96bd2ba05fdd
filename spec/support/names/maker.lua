-- maker: a module that is a function.
--
-- SPDX-License-Identifier: MIT
local mt = {}
mt.__index = mt
function mt:get() return self.x end
return function(x, y)
  if y ~= nil then return getmetatable(y) == mt end
  return setmetatable({ x = x }, mt)
end
