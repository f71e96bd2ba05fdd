/*
** platform/entropy: random bytes from the system.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_ENTROPY_H
#define TI_PLATFORM_ENTROPY_H

#include "platform/seed.h"

TI_INTERNAL_BEGIN

/* Returns 128 random bits: getrandom(2), else /dev/urandom, else those of
** ti_entropy_fallback. Never fails, and never waits for the system to gather entropy. Any
** thread. */
struct ti_seed ti_entropy_get(void);

/* Returns 128 bits that no other call in this process returns, and that differ between processes
** as far as clocks, process numbers and addresses do. For systems without the above. Any thread. */
struct ti_seed ti_entropy_fallback(void);

TI_INTERNAL_END

#endif
