/* For clang-tidy only, included before all else: what Lua's headers do not say, that these functions
** never return. Without it the analyzer goes on after an error was raised, and finds ghosts.
**
** SPDX-License-Identifier: MIT
*/
typedef struct lua_State lua_State;
__attribute__((noreturn)) extern int(lua_error)(lua_State *L);
__attribute__((noreturn)) extern int(luaL_error)(lua_State *L, const char *fmt, ...);
__attribute__((noreturn)) extern int(luaL_argerror)(lua_State *L, int arg, const char *extramsg);
__attribute__((noreturn)) extern int(luaL_typeerror)(lua_State *L, int arg, const char *tname);

/* csrc/luautil/error.h has the same, for the layers that see Lua. */
__attribute__((noreturn, visibility("hidden"))) extern int ti_error_raise(lua_State *L, int code,
                                                                          const char *fmt, ...);
