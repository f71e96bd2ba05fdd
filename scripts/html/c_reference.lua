-- Makes the page of the C API: Markdown of the public headers. What stands without a blank line
-- between it is one entry: a comment, and the declarations that follow it.
-- SPDX-License-Identifier: MIT

local markup = ...

-- The text of a comment, as lines without its stars.
local function comment_lines(text)
  local lines = {}
  for line in (text:gsub("^/%*+", ""):gsub("%*/%s*$", "") .. "\n"):gmatch "([^\n]*)\n" do
    line = line:gsub("^%s*%*%*$", ""):gsub("^%s*%*%* ", ""):gsub("^%s?%* ", "")
    if #lines == 0 then line = line:gsub("^%s+", "") end
    if not line:find "SPDX%-License" then lines[#lines + 1] = line end
  end
  return lines
end

-- Reads a header. Returns its comment at the top, as lines, and a list of parts: either
-- { section = title } or { comment = lines, code = text }.
local function read(source)
  local _, last, top = source:find "^(/%*.-%*/)\n"
  local parts, at = {}, last + 1
  local pending, code
  local function flush()
    if code then parts[#parts + 1] = { comment = pending or {}, code = code } end
    pending, code = nil, nil
  end
  while at <= #source do
    local line, after = source:match("^([^\n]*)\n()", at)
    if line:find "^/%*" then
      flush()
      local comment, stop = source:match("^(/%*.-%*/)[^\n]*\n()", at)
      local title = comment:match "^/%* %-+ (.-) %-+ %*/$"
      if title then
        parts[#parts + 1] = { section = title }
      else
        pending = comment_lines(comment)
      end
      at = stop
    elseif line == "" then
      flush()
      pending = nil
      at = after
    elseif line:find "^#%s*if" and not line:find "_H$" then -- skips all up to its #endif
      local depth = 1
      at = after
      repeat
        line, at = source:match("^([^\n]*)\n?()", at)
        if line:find "^#%s*if" then depth = depth + 1 end
        if line:find "^#%s*endif" then depth = depth - 1 end
      until depth == 0 or at > #source
    elseif line:find "^TIDE_API" or line:find "^typedef" or line:find "^enum" then
      local depth, from = 0, at
      repeat -- up to the line that ends it
        line, at = source:match("^([^\n]*)\n()", at)
        local bare = line:gsub("/%*.-%*/", ""):gsub("/%*.*", ""):gsub("^.*%*/", "")
        bare = bare:gsub("^%s*%*%*.*", "")
        local _, opened = bare:gsub("{", "")
        local _, closed = bare:gsub("}", "")
        depth = depth + opened - closed
      until depth == 0 and bare:find ";%s*$"
      code = (code or "") .. source:sub(from, at - 1)
    elseif line:find "^#define TIDE_%w" and not line:find "_H$" then
      code = (code or "") .. line .. "\n"
      at = after
    else
      at = after
    end
  end
  flush()
  return comment_lines(top), parts
end

-- The names that a declaration makes: of functions, types, macros and enumerators.
local function names_of(code)
  local names, seen = {}, {}
  local function add(name, minor)
    if name and not seen[name] then
      seen[name] = true
      names[#names + 1] = { name, minor = minor }
    end
  end
  local bare = code:gsub("/%*.-%*/", "")
  for declaration in bare:gmatch "TIDE_API.-;" do
    add(declaration:match "(tide_[%w_]+)%(" or declaration:match "(luaopen_[%w_]+)%(")
  end
  for name in bare:gmatch "typedef [%w_]+ tide_[%w_]+ (tide_[%w_]+);" do add(name) end
  for name in bare:gmatch "typedef [%w_]+ ([%w_]+) {" do add(name) end
  for name in bare:gmatch "#define (TIDE_[%w_]+)" do add(name) end
  for tag, body in bare:gmatch "enum([%w_ ]*)(%b{})" do
    for name in body:gmatch "TIDE_[%w_]+" do add(name, tag:find "%w" ~= nil) end
  end
  return names
end

return function(headers)
  local out, known = {}, {}
  local function put(format, ...) out[#out + 1] = format:format(...) end
  local read_headers = {}
  for _, source in ipairs(headers) do
    local top, parts = read(source)
    read_headers[#read_headers + 1] = { top, parts }
    for _, part in ipairs(parts) do
      part.names = part.code and names_of(part.code) or {}
      for _, name in ipairs(part.names) do known[name[1]] = true end
    end
  end

  -- The library's names, and stack effects, as code; names that have an entry are links.
  local function inline(text)
    text = text:gsub("\\%[(%-[^%[%]]-, %+[^%[%]]-)\\%]", function(effect)
      return "`[" .. effect:gsub("\\", "") .. "]`"
    end)
    return markup.outside_code(text, function(part)
      return (part:gsub("%f[%w\\_][Ttl]\\?[%w\\_.]+", function(word)
        local name = word:gsub("\\", ""):gsub("%.+$", "")
        local dots = word:match "%.+$" or ""
        if not (name:find "^tide_%l" or name:find "^TIDE_%w" or name:find "^lua_%a") then
          return word
        end
        local base = name:match "^[%w_]+"
        if known[base] then return ("[`%s`](#%s)%s"):format(name, base, dots) end
        return "`" .. name .. "`" .. dots
      end))
    end)
  end

  put "# C reference\n"
  for number, header in ipairs(read_headers) do
    if number > 1 then put "## Numbers\n" end
    put("%s\n", markup.comment(header[1], inline))
    for _, part in ipairs(header[2]) do
      if part.section then
        put("## %s\n", part.section:sub(1, 1):upper() .. part.section:sub(2))
      else
        local titles, anchors, first = {}, {}, nil
        for _, name in ipairs(part.names) do
          if name.minor or first then
            anchors[#anchors + 1] = ('<span id="%s"></span>'):format(name[1])
          end
          if not name.minor then
            first = first or name[1]
            titles[#titles + 1] = "`" .. name[1] .. "`"
          end
        end
        if first then put("### %s {#%s}\n", table.concat(titles, ", "), first) end
        if #anchors > 0 then put("%s\n", table.concat(anchors)) end
        put("```c\n%s```\n", (part.code:gsub("\n         ( +)", "\n%1"):gsub("TIDE_API ", "")))
        put("%s\n", markup.comment(part.comment, inline))
      end
    end
  end
  return table.concat(out, "\n")
end
