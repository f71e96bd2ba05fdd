/*
** tidepool, floor 1: entropy, random bytes from the system.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_ENTROPY_H
#define TIDE_ENTROPY_H

#include "seed.h"

TIDE_INTERNAL_BEGIN

/* Returns 128 random bits: getrandom(2), else /dev/urandom, else those of
** tide_entropy_fallback. Never fails, and never waits for the system to gather entropy. Any thread. */
struct seed tide_entropy(void);

/* Returns 128 bits that no other call in this process returns, and that differ between processes
** as far as clocks, process numbers and addresses do. For systems without the above. Any thread. */
struct seed tide_entropy_fallback(void);

TIDE_INTERNAL_END

#endif
