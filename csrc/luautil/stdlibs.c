/*
** luautil/stdlibs: Lua's own libraries and what is in them.
**
** SPDX-License-Identifier: MIT
*/
#include "luautil/stdlibs.h"

#include <string.h>

/* Lua 5.4's own libraries: a module, and its fields that may be sent by name. What a script put
** into one of them is not Lua's own and is sent by value. */
static const char *const standard[][2] = {
    {"_G",
     " assert collectgarbage dofile error getmetatable ipairs load loadfile next pairs pcall print"
     " rawequal rawget rawlen rawset require select setmetatable tonumber tostring type warn"
     " xpcall "},
    {"coroutine", " close create isyieldable resume running status wrap yield "},
    {"debug",
     " debug gethook getinfo getlocal getmetatable getregistry getupvalue getuservalue sethook"
     " setcstacklimit setlocal setmetatable setupvalue setuservalue traceback upvalueid"
     " upvaluejoin "},
    {"io", " close flush input lines open output popen read stderr stdin stdout tmpfile type"
           " write "},
    {"math", " abs acos asin atan ceil cos deg exp floor fmod log max min modf rad random"
             " randomseed sin sqrt tan tointeger type ult "},
    {"os", " clock date difftime execute exit getenv remove rename setlocale time tmpname "},
    {"package", " config cpath loaded loadlib path preload searchers searchpath "},
    {"string", " byte char dump find format gmatch gsub len lower match pack packsize rep reverse"
               " sub unpack upper "},
    {"table", " concat insert move pack remove sort unpack "},
    {"utf8", " char codepoint codes len offset "},
};

const char *ti_stdlibs_fields(const char *module, size_t len) {
  for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
    if (strlen(standard[i][0]) == len && memcmp(standard[i][0], module, len) == 0)
      return standard[i][1];
  return NULL;
}

const char *ti_stdlibs_name(size_t i) {
  return i < sizeof standard / sizeof *standard ? standard[i][0] : NULL;
}

/* Returns whether the list contains " word ". */
static bool listed(const char *list, const char *word, size_t len) {
  for (const char *p = list; (p = strchr(p, ' ')) != NULL && p[1] != '\0'; p++)
    if (strncmp(p + 1, word, len) == 0 && p[1 + len] == ' ') return true;
  return false;
}

bool ti_stdlibs_is_global(const char *name, size_t len) {
  return listed(standard[0][1], name, len) || ti_stdlibs_fields(name, len) != NULL ||
         (len == 8 && memcmp(name, "_VERSION", 8) == 0);
}
