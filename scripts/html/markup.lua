-- What both references need to make Markdown of comments.
-- SPDX-License-Identifier: MIT

local markup = {}

-- Returns `text` with a backslash before each character that Markdown would take for a mark.
local function escape(text) return (text:gsub("[\\`*_{}%[%]<>#|~]", "\\%0")) end

-- Returns `text`, with `plain(part)` in place of each part that is no code span.
function markup.outside_code(text, plain)
  local out, from = {}, 1
  for first, span, after in text:gmatch "()(`[^`]+`)()" do
    out[#out + 1] = plain(text:sub(from, first - 1))
    out[#out + 1] = span
    from = after
  end
  out[#out + 1] = plain(text:sub(from))
  return table.concat(out)
end

-- Returns the lines of a comment as Markdown. An indented line that begins with "- ", or with a
-- term and two blanks, is an item of a list; lines that are indented further go on with it.
-- `inline(text)` makes Markdown of what is no code span; it gets and returns escaped text.
function markup.comment(lines, inline)
  local out, block = {}, {}
  local item = false
  local function flush()
    if #block == 0 then return end
    local text = table.concat(block, " ")
    local term, rest = nil, text
    if item == "term" then term, rest = text:match "^(.-)%s%s+(.*)$" end
    local made = markup.outside_code(rest, function(part) return inline(escape(part)) end)
    if term then made = "**" .. escape(term) .. "**: " .. made end
    out[#out + 1] = (item and "- " or "") .. made
    if not item then out[#out + 1] = "" end
    block = {}
  end
  for _, line in ipairs(lines) do
    local indent, text = line:match "^(%s*)(.-)%s*$"
    local kind = #indent >= 2 and
      (text:find "^%- " and "dash" or text:find "^%S[^%.]-%s%s+%S" and "term")
    if text == "" then
      flush()
      if item then out[#out + 1] = "" end
      item = false
    elseif kind then
      flush()
      if not item and out[#out] and out[#out] ~= "" then out[#out + 1] = "" end
      item = kind
      block[1] = kind == "dash" and text:sub(3) or text
    else
      if item and indent == "" then
        flush()
        out[#out + 1] = ""
        item = false
      end
      block[#block + 1] = text
    end
  end
  flush()
  return table.concat(out, "\n")
end

return markup
