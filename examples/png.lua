-- png.lua: writes PNG images of 256 colours, without compression, in plain Lua.
--
-- A PNG file is a signature and a list of chunks: length, name, data, CRC-32. The pixels are a
-- zlib stream, here of "stored" blocks: each a header, at most 65535 bytes, and at the end of the
-- stream their Adler-32.
-- SPDX-License-Identifier: MIT

local png = {}

local crc_table = {}
for byte = 0, 255 do
  local c = byte
  for _ = 1, 8 do
    c = (c & 1 == 1) and (0xEDB88320 ~ (c >> 1)) or (c >> 1)
  end
  crc_table[byte] = c
end

local function crc32(s)
  local c = 0xFFFFFFFF
  for i = 1, #s do
    c = crc_table[(c ~ s:byte(i)) & 0xFF] ~ (c >> 8)
  end
  return c ~ 0xFFFFFFFF
end

local function adler32(s)
  local a, b = 1, 0
  for i = 1, #s do
    a = (a + s:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b << 16 | a
end

local function zlib_stored(s)
  local parts = { "\x78\x01" }
  local last = math.max(1, #s - 65534) -- a block that starts here or later is the last one
  for i = 1, math.max(1, #s), 65535 do
    local block = s:sub(i, i + 65534)
    parts[#parts + 1] = string.pack("<BI2I2", i >= last and 1 or 0, #block, ~#block & 0xFFFF)
    parts[#parts + 1] = block
  end
  parts[#parts + 1] = string.pack(">I4", adler32(s))
  return table.concat(parts)
end

local function chunk(name, data)
  local body = name .. data
  return string.pack(">I4", #data) .. body .. string.pack(">I4", crc32(body))
end

--- The bytes of a PNG file.
--- rows: one string per row, one byte per pixel, each a colour's index in the palette.
--- palette: function(i) -> red, green, blue (0 to 255) for i from 0 to 255.
function png.encode(width, height, rows, palette)
  assert(#rows == height, "one string per row")
  local colours, lines = {}, {}
  for i = 0, 255 do
    colours[i + 1] = string.char(palette(i))
  end
  for y, row in ipairs(rows) do
    assert(#row == width, "one byte per pixel")
    lines[y] = "\0" .. row -- each line starts with its filter: none
  end
  return table.concat({
    "\x89PNG\r\n\x1a\n",
    chunk("IHDR", string.pack(">I4I4BBBBB", width, height, 8, 3, 0, 0, 0)),
    chunk("PLTE", table.concat(colours)),
    chunk("IDAT", zlib_stored(table.concat(lines))),
    chunk("IEND", ""),
  })
end

--- The same from a function: colour(x, y) -> index in the palette, x and y from 0.
function png.draw(width, height, colour, palette)
  local rows = {}
  for y = 0, height - 1 do
    local row = {}
    for x = 0, width - 1 do
      row[x + 1] = string.char(colour(x, y) & 0xFF)
    end
    rows[y + 1] = table.concat(row)
  end
  return png.encode(width, height, rows, palette)
end

return png
