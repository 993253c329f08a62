/* What runs kernels: scratch memory, threads, and tables of steps. */
#ifndef CHAINRULE_RUNTIME_H
#define CHAINRULE_RUNTIME_H

#include "kernels/kernel.h"

enum { LINE = 64 }; /* bytes of a cache line */

typedef Status (*Kernel)(const Array *, const Number *);

/* Run one kernel. Its scratch memory is free again afterwards. */
Status chainrule_call(Kernel kernel, const Array *arrays, const Number *numbers);

/* Let this thread compute with denormal numbers as zeros: on x86, they take a hundred times as long. Returns what
 * `restore_denormals` needs. */
unsigned flush_denormals(void);
void restore_denormals(unsigned before);

/* Iteration k of a parallel loop, run by one of its threads, of which thread 0 is the caller. */
typedef void (*Iteration)(void *context, int64_t k, int thread);

/* Run iterations 0 to count − 1, on at most so many threads; return when all are done. */
void share_out(Iteration run, void *context, int64_t count, int threads);

#endif
