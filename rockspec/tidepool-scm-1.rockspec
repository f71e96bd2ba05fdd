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
    ["tidepool.check"] = "lua/tidepool/check.lua",
    ["tidepool.chunk"] = "lua/tidepool/chunk.lua",
    ["tidepool.complaint"] = "lua/tidepool/complaint.lua",
    ["tidepool.executor"] = "lua/tidepool/executor.lua",
    ["tidepool"] = "lua/tidepool/init.lua",
    ["tidepool.map"] = "lua/tidepool/map.lua",
    ["tidepool.sizes"] = "lua/tidepool/sizes.lua",
    ["tidepool.source"] = "lua/tidepool/source.lua",
    ["tidepool.ticket"] = "lua/tidepool/ticket.lua",
    ["tidepool.types"] = "lua/tidepool/types.lua",
    ["tidepool.wait"] = "lua/tidepool/wait.lua",
    ["tidepool.core"] = {
      defines = { "_GNU_SOURCE" },
      incdirs = { "csrc" },
      libraries = { "pthread" },
      sources = {
        "csrc/arena.c",
        "csrc/array.c",
        "csrc/bytes.c",
        "csrc/chunk.c",
        "csrc/chunk_globals.c",
        "csrc/code.c",
        "csrc/cpus.c",
        "csrc/enclose.c",
        "csrc/error.c",
        "csrc/fault.c",
        "csrc/func.c",
        "csrc/future.c",
        "csrc/globals.c",
        "csrc/group.c",
        "csrc/keeper.c",
        "csrc/lua_array.c",
        "csrc/lua_array_bulk.c",
        "csrc/lua_callback.c",
        "csrc/lua_chunk.c",
        "csrc/lua_config.c",
        "csrc/lua_executor.c",
        "csrc/lua_future.c",
        "csrc/lua_group.c",
        "csrc/lua_map.c",
        "csrc/lua_module.c",
        "csrc/lua_share.c",
        "csrc/lua_support.c",
        "csrc/mailbox.c",
        "csrc/mem.c",
        "csrc/memo.c",
        "csrc/message.c",
        "csrc/names.c",
        "csrc/owner.c",
        "csrc/pack.c",
        "csrc/pack_func.c",
        "csrc/path.c",
        "csrc/paths.c",
        "csrc/plain.c",
        "csrc/pool.c",
        "csrc/pool_threads.c",
        "csrc/queue.c",
        "csrc/reftype.c",
        "csrc/share.c",
        "csrc/slab.c",
        "csrc/spin.c",
        "csrc/submit.c",
        "csrc/sys.c",
        "csrc/task.c",
        "csrc/tidepool.c",
        "csrc/transfer.c",
        "csrc/typed.c",
        "csrc/unpack.c",
        "csrc/values.c",
        "csrc/vm.c",
        "csrc/worker_lib.c",
      },
    },
  },
}
