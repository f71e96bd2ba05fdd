-- zoo: a module with classes of such a library; one of them is its own secret.
--
-- SPDX-License-Identifier: MIT
local class = require "spec.support.names.class"

local Animal = class "Animal"
function Animal:initialize(name) self.name = name end
function Animal:speak() return self.name .. " speaks" end

local Cat = Animal:subclass "Cat"
function Cat:speak() return self.name .. " meows" end

local M = { Animal = Animal }
function M.cat(name) return Cat:new(name) end
function M.is_cat(x) return x:is_a(Cat) and getmetatable(x) == Cat.dictionary end

return M
