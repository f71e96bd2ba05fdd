-- class: a library of classes, with what such libraries do: methods that are copied into each
-- class, metatables and closures of each class, weak tables of subclasses, and names.
--
-- SPDX-License-Identifier: MIT
local M = { classes = {} }

local function tostring_class(c) return "class " .. c.name end
local function call_class(c, ...) return c:new(...) end

local Default = { static = {} }
function Default:is_a(class)
  local c = self.class
  while c and c ~= class do c = c.super end
  return c ~= nil
end
function Default.static:new(...)
  local object = setmetatable({ class = self }, self.dictionary)
  if object.initialize then object:initialize(...) end
  return object
end
function Default.static:subclass(name)
  local sub = M.class(name, self)
  for k, v in pairs(self.dictionary) do
    if k ~= "__index" then sub.dictionary[k] = v end
  end
  self.subclasses[sub] = true
  return sub
end

local function declare(class, name, f)
  class.declared[name] = f
  class.dictionary[name] = f
end

function M.class(name, super)
  local dictionary = {}
  dictionary.__index = dictionary
  local class = { name = name, super = super, static = {}, dictionary = dictionary, declared = {},
    subclasses = setmetatable({}, { __mode = "k" }) }
  setmetatable(class.static, {
    __index = function(_, k)
      local v = rawget(dictionary, k)
      if v == nil and super then return super.static[k] end
      return v
    end,
  })
  setmetatable(class, { __index = class.static, __tostring = tostring_class,
    __call = call_class, __newindex = declare })
  for k, v in pairs(Default) do
    if k ~= "static" then dictionary[k] = v end
  end
  for k, v in pairs(Default.static) do class.static[k] = v end
  M.classes[name] = class
  return class
end

return setmetatable(M, { __call = function(_, ...) return M.class(...) end })
