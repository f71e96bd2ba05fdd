-- png.lua: writes PNG images of 256 colours.
--
-- A PNG file is a signature and a list of chunks: length, name, data, checksum. The pixels are
-- a zlib stream. lua-zlib makes that stream where it is installed. Elsewhere this file makes one
-- of "stored" blocks, which any reader of PNG accepts, but which compress nothing.
-- SPDX-License-Identifier: MIT

local has_zlib, zlib = pcall(require, "zlib")

-- The CRC-32 of a string, which ends each chunk.
local function crc32(s)
  if has_zlib then return zlib.crc32()(s) end
  local crc = 0xFFFFFFFF
  for i = 1, #s do
    crc = crc ~ s:byte(i)
    for _ = 1, 8 do
      crc = (crc >> 1) ~ (crc & 1) * 0xEDB88320
    end
  end
  return crc ~ 0xFFFFFFFF
end

-- The zlib stream of a string: a header, blocks, and the Adler-32 of the string.
local function compress(s)
  if has_zlib then return (zlib.deflate(9)(s, "finish")) end
  local MOST <const> = 65535 -- bytes in a stored block
  local parts = { "\x78\x01" }
  for i = 1, #s, MOST do
    local block = s:sub(i, i + MOST - 1)
    local is_last = i + MOST > #s and 1 or 0
    parts[#parts + 1] = string.pack("<BI2I2", is_last, #block, ~#block & 0xFFFF) .. block
  end
  local a, b = 1, 0
  for i = 1, #s do
    a = (a + s:byte(i)) % 65521
    b = (b + a) % 65521
  end
  parts[#parts + 1] = string.pack(">I2I2", b, a)
  return table.concat(parts)
end

local function chunk(name, data)
  return string.pack(">I4", #data) .. name .. data .. string.pack(">I4", crc32(name .. data))
end

local png = {}

--- Returns the bytes of a PNG file.
--- pixels: a string of one byte per pixel, row by row. Each byte is a colour's number.
--- palette: function(number) -> red, green, blue, from 0 to 255 each.
function png.encode(width, pixels, palette)
  local colours, lines = {}, {}
  for number = 0, 255 do
    colours[number + 1] = string.char(palette(number))
  end
  for i = 1, #pixels, width do
    lines[#lines + 1] = "\0" .. pixels:sub(i, i + width - 1) -- "\0": the row is not filtered
  end
  return table.concat {
    "\x89PNG\r\n\x1a\n",
    chunk("IHDR", string.pack(">I4I4BBBBB", width, #lines, 8, 3, 0, 0, 0)),
    chunk("PLTE", table.concat(colours)),
    chunk("IDAT", compress(table.concat(lines))),
    chunk("IEND", ""),
  }
end

return png
