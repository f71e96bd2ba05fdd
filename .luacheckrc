-- luacheck, run by `make lint`.
std = "lua54"
max_line_length = 100
codes = true

files["spec"] = { std = "+busted" }

-- Tasks that leave globals in their worker's state, or make a mess of it.
files["spec/lua/interrupt_spec.lua"] = { globals = { "TIDIED", "KIND", "KEPT" } }
files["spec/lua/evade_spec.lua"] = { globals = { "TIDIED", "KEPT", "MARK", "CALLS" } }
files["spec/lua/limits_spec.lua"] = {
  globals = { "KEPT", "MARK", "LEFT", "KEEP", "GLOBAL", "START", "print", "string" },
}
files["spec/lua/finalizer_spec.lua"] = { globals = { "KEPT", "LOG", "AMOUNT", "FILE", "OWN" } }
files["spec/lua/inline_spec.lua"] = {
  globals = { "AMOUNT", "LIST", "MADE", "LOADED", "NOT_THERE", "SCRIPTS", "MINE", "BASE", "TASKS", "string" },
}
files["spec/lua/init_spec.lua"] = { globals = { "BASE" } }
files["spec/lua/nested_spec.lua"] = { globals = { "MINE" } }

-- Declarations only: its functions are never called and use none of their arguments.
files["lua/tidepool/types.lua"] = { ignore = { "211", "212" } }

-- Its functions are dumped: they see globals alone, some of which oom_test.c makes.
files["spec/support/oom.lua"] = {
  globals = { "begun", "helped", "helper", "made", "echo", "print_nothing", "expect", "same", "f",
    "long", "ubox" },
  read_globals = { "cclosure", "pointer", "host_calls", "fail_promise", "sendable" },
}
