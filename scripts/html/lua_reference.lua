-- Makes the page of the Lua API: Markdown of lua/tidepool/types.lua, whose comments are LuaCATS.
-- SPDX-License-Identifier: MIT

local markup = ...

-- A function may have the name of a type: tidepool.future.
local function type_id(name) return (name:gsub("^tidepool", "type")) end

local function unchanged(text) return text end

-- Returns the name and the type at the start of a tag's text, and what follows them. A type has
-- no blanks but in brackets, and after the ":" or "," of a function type.
local function split_type(text)
  local depth, at = 0, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c:find "[%(%[{<]" then depth = depth + 1 elseif c:find "[%)%]}>]" then depth = depth - 1 end
    if c == " " and depth == 0 and not text:sub(1, at - 1):find "[:,|]$" then break end
    at = at + 1
  end
  return text:sub(1, at - 1), text:sub(at + 1)
end

-- Reads the source. Returns the head's lines and a list of parts: { section = title }, or a doc
-- block { text = lines, tags = { { tag, text }… }, code = the line below it }.
local function read(source)
  local head, parts = {}, {}
  local block, in_head = nil, true
  for line in source:gmatch "([^\n]*)\n" do
    local doc, section = line:match "^%-%-%-(.*)", line:match "^%-%- %-+ (.-) %-%-$"
    if section then
      parts[#parts + 1] = { section = section }
      in_head = false
    elseif line:find "^%-%-%-@meta" or line:find "SPDX%-License" then
      block = nil
    elseif doc then
      in_head = false
      block = block or { text = {}, tags = {} }
      local tag, text = doc:match "^@(%a+)%s*(.*)"
      if tag then
        block.tags[#block.tags + 1] = { tag, text }
      elseif doc:find "^|" then
        block.tags[#block.tags + 1] = { "value", doc:sub(2) }
      elseif #block.tags > 0 then
        local last = block.tags[#block.tags]
        last[2] = last[2] .. " " .. doc
      else
        block.text[#block.text + 1] = doc
      end
    elseif block then
      block.code = line
      parts[#parts + 1] = block
      block = nil
    elseif in_head then
      head[#head + 1] = line:match "^%-%- ?(.*)"
    end
  end
  return head, parts
end

local function names_of(parts)
  local names = {}
  for _, part in ipairs(parts) do
    for _, tag in ipairs(part.tags or {}) do
      if tag[1] == "class" or tag[1] == "alias" then names[tag[2]:match "^[%w_.]+"] = true end
    end
  end
  return names
end

return function(source)
  local head, parts = read(source)
  local known = names_of(parts)
  local out = {}
  local function put(format, ...) out[#out + 1] = format:format(...) end

  local function prose(lines) return markup.comment(lines, unchanged) end

  -- The code of a type; the names of classes and aliases in it are links.
  local function type_code(text)
    local pieces, from = {}, 1
    for first, name, after in text:gmatch "()(tidepool[%w_.]*)()" do
      if known[name] then
        if first > from then pieces[#pieces + 1] = "`" .. text:sub(from, first - 1) .. "`" end
        pieces[#pieces + 1] = ("[`%s`](#%s)"):format(name, type_id(name))
        from = after
      end
    end
    if from <= #text then pieces[#pieces + 1] = "`" .. text:sub(from) .. "`" end
    return table.concat(pieces)
  end

  -- An item of a list.
  local function described(start, text)
    put("- %s%s", start, text ~= "" and ": " .. prose { text } or "")
    out[#out] = out[#out]:gsub("%s+$", "")
  end

  local function named(text)
    local name, rest = text:match "^(%S+)%s+(.*)"
    local kind, meaning = split_type(rest)
    if name:find "%?$" then
      name = name:sub(1, -2)
      return ("`%s` (%s, optional)"):format(name, type_code(kind)), meaning
    end
    return ("`%s` (%s)"):format(name, type_code(kind)), meaning
  end

  local each = {}
  function each.field(text)
    if text:find "^%[" then
      local key, rest = text:match "^(%b[])%s+(.*)"
      return described(("`%s` (%s)"):format(key, type_code(rest)), "")
    end
    described(named(text))
  end
  each.param = function(text) described(named(text)) end
  each["return"] = function(text)
    local kind, rest = split_type(text)
    local name, meaning = rest:match "^([%w_.]+)%s*(.*)"
    if kind == "any" and name == "..." then name, meaning = nil, "" end
    described("returns " .. (name and "`" .. name .. "` (" .. type_code(kind) .. ")" or
      type_code(kind)), meaning or "")
  end
  function each.overload(text) described("a call: `" .. text .. "`", "") end
  function each.operator(text) described("operator `" .. text .. "`", "") end
  function each.value(text)
    if text:find "#" then
      local value, meaning = text:match "^%s*(%S+)%s*#%s*(.*)"
      return described("`" .. value .. "`", meaning)
    end
    for value in text:gmatch '"[^"]*"' do described("`" .. value .. "`", "") end
  end
  function each.alias(text)
    local kind = text:match "^%S+%s+(.*)"
    if kind then described(type_code(kind), "") end
  end
  function each.class() end

  put "# Lua reference\n"
  put("%s\n", prose(head))
  for _, part in ipairs(parts) do
    if part.section then
      put("## %s\n", part.section:sub(1, 1):upper() .. part.section:sub(2))
    else
      local first = part.tags[1] or {}
      local signature = part.code and part.code:match "^function (.-) end$"
      if signature then
        put("### `%s` {#%s}\n", signature, (signature:match "^[%w_.:]+"))
      elseif first[1] == "class" or first[1] == "alias" then
        local name = first[2]:match "^[%w_.]+"
        put("### `%s` {#%s}\n", name, type_id(name))
      end
      put("%s\n", prose(part.text))
      for _, tag in ipairs(part.tags) do
        assert(each[tag[1]], "unknown tag @" .. tag[1])(tag[2])
      end
      put ""
    end
  end
  return table.concat(out, "\n")
end
