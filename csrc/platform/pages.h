/*
** platform/pages: memory straight from the system, in whole pages.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_PAGES_H
#define TI_PLATFORM_PAGES_H

#include <stddef.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

/* Returns `size` bytes of zeros, aligned to a page, or NULL when there is no memory. */
void *ti_pages_map(size_t size);

/* Gives back `size` bytes at p, which may be a part of what was mapped. */
void ti_pages_unmap(void *p, size_t size);

/* Advises the system to use huge pages there. Without these nothing changes. */
void ti_pages_advise_huge(void *p, size_t size);

TI_INTERNAL_END

#endif
