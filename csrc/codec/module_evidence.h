/*
** codec/module_evidence: which objects a module's own files made.
**
** Lua does not tell where a table was made. But a function tells its file and its lines. A function
** that lies in no other function of its file was made when the file ran; what holds it is the
** module's own. A function within the lines of another was made by a call of that one, perhaps the
** script's, and tells nothing of what holds it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_CODEC_MODULE_EVIDENCE_H
#define TI_CODEC_MODULE_EVIDENCE_H

#include "codec/module_builder.h"

TI_INTERNAL_BEGIN

/* Marks node n, and the nodes on the way to it, as their module's own. The way ends at a nested
** function. */
void ti_module_evidence_mark(struct ti_module_builder *b, int n);

/* Judges the functions in b->spans, which it sorts, and marks what they are evidence for. */
void ti_module_evidence_judge(struct ti_module_builder *b);

/* Finishes the names: those of a module's own objects get FORM_OWN. Those of a module whose value a
** script put in the place of what a worker would load are removed. Call it last. Compiles files of
** modules, and remembers in CODEC_FILES 1 or 0: whether they define functions. [-0, +0, m] */
void ti_module_evidence_finish(struct ti_module_builder *b);

TI_INTERNAL_END

#endif
