-- luacheck, run by `make lint`.
std = "lua54"
max_line_length = 100
codes = true

files["spec"] = { std = "+busted" }

-- Declarations only: its functions are never called and use none of their arguments.
files["lua/tidepool/types.lua"] = { ignore = { "211", "212" } }
