/* What every kernel includes: its arguments, its name for each dtype, vectors, and scratch memory.
 *
 * A kernel reads and writes contiguous arrays. Python declares its arguments, by a function without a body and with the
 * same name: first the arrays, in that order, then the numbers. Each file is compiled once with `real` = float and once
 * with `real` = double, and again for each register width. */
#ifndef CHAINRULE_KERNEL_H
#define CHAINRULE_KERNEL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define AXES 6

typedef struct {
    void *at; /* the first element; NULL if the array was not given */
    int64_t axes;
    int64_t shape[AXES]; /* 1 beyond the last axis */
} Array;

typedef union {
    int64_t i;
    double f;
} Number;

typedef enum { DONE, NO_MEMORY, WRONG_ARRAY, NOT_FINITE } Status;

/* Memory until the kernel returns, aligned to a cache line. If there is none, the kernel ends with NO_MEMORY here. */
void *chainrule_scratch(size_t bytes);

#ifdef DOUBLE
typedef double real;
typedef int64_t lane_int;
#define NAME(name) name##_float64
#define REAL(function) function
#else
typedef float real;
typedef int32_t lane_int;
#define NAME(name) name##_float32
#define REAL(function) function##f /* as in REAL(sqrt) */
#endif

/* The definition of a kernel: KERNEL(dense) { … } */
#define KERNEL(name) Status NAME(name)(const Array *arrays, const Number *numbers)

#if defined(__AVX512F__)
#define WIDTH 64 /* bytes in a vector register */
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#if WIDTH == 64 || defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif
#define LANES ((int64_t)(WIDTH / sizeof(real)))

/* A vector of LANES elements, at any address; and the same lanes as integers: what comparisons return. */
typedef real vec __attribute__((vector_size(WIDTH), aligned(sizeof(real)), may_alias));
typedef lane_int mask __attribute__((vector_size(WIDTH), aligned(sizeof(real)), may_alias));

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 64")
#endif
/* A loop over a constant number of vectors, which disappears. */
#define EACH(index, count) UNROLLED for (int index = 0; index < (int)(count); index++)

INLINE vec at(const real *x) { return *(const vec *)x; }
INLINE void put(real *y, vec v) { *(vec *)y = v; }
INLINE vec spread(real value) { return value - (vec){0}; }
/* Lane by lane: a where the mask is set, otherwise b. */
INLINE vec choose(mask m, vec a, vec b) { return (vec)(((mask)a & m) | ((mask)b & ~m)); }
/* The larger or the smaller lanes; b where one of them is NaN. Compilers do not find these instructions of x86. */
#if defined(__x86_64__)
#if WIDTH == 64
#define X86(name) _mm512_##name
#elif WIDTH == 32
#define X86(name) _mm256_##name
#else
#define X86(name) _mm_##name
#endif
#ifdef DOUBLE
#define OF_REALS(name) X86(name##_pd)
#else
#define OF_REALS(name) X86(name##_ps)
#endif
typedef __typeof__(OF_REALS(setzero)()) x86_vec;
INLINE vec max_or_b(vec a, vec b) { return (vec)OF_REALS(max)((x86_vec)a, (x86_vec)b); }
INLINE vec min_or_b(vec a, vec b) { return (vec)OF_REALS(min)((x86_vec)a, (x86_vec)b); }
#else
INLINE vec max_or_b(vec a, vec b) { return choose(a > b, a, b); }
INLINE vec min_or_b(vec a, vec b) { return choose(a < b, a, b); }
#endif
/* The larger lanes; NaN propagates. */
INLINE vec larger(vec a, vec b) { return choose(a == a, max_or_b(a, b), a); }
/* The lanes within bounds; NaN remains. */
INLINE vec clamped(vec v, real least, real most) { return min_or_b(spread(most), max_or_b(spread(least), v)); }
/* The sum of the lanes: of halves, of their halves, …. */
INLINE real lane_sum(vec v)
{
    typedef real quarter __attribute__((vector_size(16)));
    quarter parts[WIDTH / 16];
    memcpy(parts, &v, WIDTH);
    for (int step = WIDTH / 32; step; step /= 2)
        EACH(k, step) parts[k] += parts[k + step];
    real sum = parts[0][0] + parts[0][16 / sizeof(real) - 1];
    return sizeof(real) == 4 ? sum + (parts[0][1] + parts[0][2 % (16 / sizeof(real))]) : sum;
}

INLINE int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
INLINE int64_t round_up(int64_t count, int64_t step) { return ceil_div(count, step) * step; }

/* The number of elements from an axis on. */
INLINE int64_t size_from(Array array, int axis)
{
    int64_t size = 1;
    for (; axis < AXES; axis++) size *= array.shape[axis];
    return size;
}

INLINE real *reals(int64_t count) { return chainrule_scratch((size_t)count * sizeof(real)); }
INLINE int64_t *integers(int64_t count) { return chainrule_scratch((size_t)count * sizeof(int64_t)); }

#endif
