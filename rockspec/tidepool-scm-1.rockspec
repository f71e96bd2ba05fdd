rockspec_format = "3.0"
package = "tidepool"
version = "scm-1"
source = {
  url = "git+https://github.com/tidepool-lua/tidepool.git",
}
description = {
  summary = "Runs Lua functions in parallel",
  detailed = [[
A pool of POSIX threads, each with a Lua state of its own. Functions and their arguments are sent
there, and the results come back through futures; the model is Python's concurrent.futures.
For scripts, and through a small C API for programs that embed Lua.
]],
  license = "MIT",
}
dependencies = {
  "lua >= 5.4, < 5.5",
}
build = {
  type = "builtin",
  -- `make lint` checks that both lists are complete.
  modules = {
    ["tidepool.core"] = {
      defines = { "_GNU_SOURCE" },
      incdirs = { "csrc" },
      libraries = { "pthread" },
      sources = {
      },
    },
  },
}
