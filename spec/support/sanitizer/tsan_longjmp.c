/*
** tsan_longjmp.c: lets ThreadSanitizer see Lua's errors; linked into every program it checks.
**
** Debian builds Lua so that longjmp becomes __longjmp_chk, which the sanitizer does not know. Each
** error would then leave the frames it skips on the sanitizer's own record of the stack, until that
** is full and ends the program. This one calls the longjmp that the sanitizer intercepts.
**
** SPDX-License-Identifier: MIT
*/
#include <setjmp.h>

_Noreturn void __longjmp_chk(jmp_buf env, int value);

/* The name is the C library's. NOLINTNEXTLINE(bugprone-reserved-identifier) */
_Noreturn void __longjmp_chk(jmp_buf env, int value) { longjmp(env, value); }
