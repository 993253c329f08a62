/* Tiles: sums that stay in vector registers while a loop runs.
 *
 * A tile is a block of `rows` × `columns` vectors, t[a * columns + b]. One step of a loop loads rows + columns vectors
 * or scalars, and multiplies and adds rows · columns times; plain loops would load and store every sum again and again.
 * `rows` and `columns` are constants after inlining, so that the compiler keeps the tile in registers. */
#ifndef CHAINRULE_TILES_H
#define CHAINRULE_TILES_H

#include "kernel.h"

#if REGISTERS == 32 && !defined(__clang__)
#pragma GCC optimize("live-range-shrinkage") /* fewer moves between registers in the loops of tiles */
#endif

/* Keep a vector in a register here, where the compiler would rather keep the numbers that it is multiplied by. */
#if defined(__x86_64__)
#define KEEP(vector) __asm__ volatile("" : "+v"(vector))
#else
#define KEEP(vector)
#endif

/* A function that is not inlined, so that its loop over tiles has all registers. */
#define SEPARATE static __attribute__((noinline))

/* Make what is read at `pointer` depend on `sum`, and keep `factor` until then. Compilers would otherwise load all
 * factors of a tile first, for which there are not enough registers. */
#if defined(__x86_64__)
#define IN_TURN(pointer, sum, factor) __asm__("" : "+r"(pointer) : "v"(sum), "v"(factor))
#else
#define IN_TURN(pointer, sum, factor) (void)0
#endif

INLINE void tile_zeros(vec *t, int rows, int columns)
{
    EACH(k, rows * columns) t[k] = (vec){0};
}

/* t[a, b] = y[b step + a LANES + lane] */
INLINE void tile_load(vec *t, const real *y, int64_t step, int rows, int columns)
{
    EACH(b, columns)
        EACH(a, rows) t[a * columns + b] = at(y + b * step + a * LANES);
}

/* t[a, b] = y[offsets[b] + a LANES + lane] */
INLINE void tile_load_at(vec *t, const real *y, const int64_t *offsets, int rows, int columns)
{
    EACH(b, columns)
        EACH(a, rows) t[a * columns + b] = at(y + offsets[b] + a * LANES);
}

/* y[b step + a LANES + lane] = t[a, b] */
INLINE void tile_store(const vec *t, real *y, int64_t step, int rows, int columns)
{
    EACH(b, columns)
        EACH(a, rows) put(y + b * step + a * LANES, t[a * columns + b]);
}

/* y[offsets[b] + a LANES + lane] = t[a, b]; columns are stored in order */
INLINE void tile_store_at(const vec *t, real *y, const int64_t *offsets, int rows, int columns)
{
    EACH(b, columns)
        EACH(a, rows) put(y + offsets[b] + a * LANES, t[a * columns + b]);
}

/* t[a, b] += x[a LANES + lane] · w[b step] */
INLINE void tile_add_outer(vec *t, const real *x, const real *w, int64_t step, int rows, int columns)
{
    EACH(b, columns) {
        vec factor = spread(w[b * step]);
        EACH(a, rows) t[a * columns + b] += at(x + a * LANES) * factor;
    }
}

/* t[a, b] += x[a LANES + lane] · w[offsets[b]] */
INLINE void tile_add_outer_at(vec *t, const real *x, const real *w, const int64_t *offsets, int rows, int columns)
{
    __asm__("" : "+r"(w)); /* keeps the sum in `w`, instead of adding its terms to each offset */
    EACH(b, columns) {
        vec factor = spread(w[offsets[b]]);
        EACH(a, rows) t[a * columns + b] += at(x + a * LANES) * factor;
        if (rows > 1 || WIDTH < 64) IN_TURN(w, t[(rows - 1) * columns + b], factor);
    }
}

/* t[a, b] += g[a step + lane] · x[offsets[b] + lane] */
INLINE void tile_add_products(vec *t, const real *g, int64_t step, const real *x, const int64_t *offsets, int rows,
                              int columns)
{
    EACH(b, columns) {
        vec factor = at(x + offsets[b]);
        EACH(a, rows) t[a * columns + b] += at(g + a * step) * factor;
    }
}

INLINE void tile_clamp(vec *t, real least, real most, int rows, int columns)
{
    EACH(k, rows * columns) t[k] = clamped(t[k], least, most);
}

/* Transpose a block of LANES × LANES in registers, in stages that exchange halves, quarters, …: v[a][b] and v[b][a]. */
#if defined(DOUBLE)
#define LANE_LIST_2(f) f(0), f(1)
#define LANE_LIST_4(f) LANE_LIST_2(f), f(2), f(3)
#define LANE_LIST_8(f) LANE_LIST_4(f), f(4), f(5), f(6), f(7)
#if WIDTH == 64
#define LANE_LIST LANE_LIST_8
#elif WIDTH == 32
#define LANE_LIST LANE_LIST_4
#else
#define LANE_LIST LANE_LIST_2
#endif
#else
#define LANE_LIST_4(f) f(0), f(1), f(2), f(3)
#define LANE_LIST_8(f) LANE_LIST_4(f), f(4), f(5), f(6), f(7)
#define LANE_LIST_16(f) LANE_LIST_8(f), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
#if WIDTH == 64
#define LANE_LIST LANE_LIST_16
#elif WIDTH == 32
#define LANE_LIST LANE_LIST_8
#else
#define LANE_LIST LANE_LIST_4
#endif
#endif
#define VEC_LANES (WIDTH / (int)sizeof(real))
#define LOW(l, step) ((l) & (step) ? VEC_LANES + (l) - (step) : (l))
#define HIGH(l, step) ((l) & (step) ? VEC_LANES + (l) : ((l) + (step)) % (2 * VEC_LANES))
#define LOW_1(l) LOW(l, 1)
#define LOW_2(l) LOW(l, 2)
#define LOW_4(l) LOW(l, 4)
#define LOW_8(l) LOW(l, 8)
#define HIGH_1(l) HIGH(l, 1)
#define HIGH_2(l) HIGH(l, 2)
#define HIGH_4(l) HIGH(l, 4)
#define HIGH_8(l) HIGH(l, 8)

/* Half a vector, at any address. */
typedef real half __attribute__((vector_size(WIDTH / 2), aligned(sizeof(real)), may_alias));
#define SAME(l) (l)
INLINE vec two_halves(const real *low, const real *high)
{
    return __builtin_shufflevector(*(const half *)low, *(const half *)high, LANE_LIST(SAME));
}

/* y[b along + a] = x[rows[a] + b] for a, b < LANES: a square block is transposed in registers, in stages that exchange
 * halves, single elements, pairs, …: v[a][b] and v[b][a]. Halves are exchanged when they are loaded. */
#define EXCHANGE(step)                                                                                                 \
    EACH(i, VEC_LANES)                                                                                                 \
        if (step < VEC_LANES / 2 && !(i & step)) {                                                                     \
            vec a = v[i], b = v[i | step];                                                                             \
            v[i] = __builtin_shufflevector(a, b, LANE_LIST(LOW_##step));                                               \
            v[i | step] = __builtin_shufflevector(a, b, LANE_LIST(HIGH_##step));                                       \
        }
INLINE void transpose_rows(const real *x, const int64_t *rows, real *y, int64_t along)
{
    vec v[VEC_LANES];
    EACH(a, VEC_LANES / 2) {
        const real *low = x + rows[a], *high = x + rows[a + VEC_LANES / 2];
        v[a] = two_halves(low, high);
        v[a + VEC_LANES / 2] = two_halves(low + VEC_LANES / 2, high + VEC_LANES / 2);
    }
    EXCHANGE(1)
    EXCHANGE(2)
    EXCHANGE(4)
    EACH(b, VEC_LANES) put(y + b * along, v[b]);
}

/* v[a][b] and v[b][a] exchanged, for the vectors of a square block. */
#define FIRST_HALVES(l) ((l) < VEC_LANES / 2 ? (l) : VEC_LANES / 2 + (l))
#define LAST_HALVES(l) ((l) < VEC_LANES / 2 ? VEC_LANES / 2 + (l) : VEC_LANES + (l))
INLINE void transpose_vectors(vec *v)
{
    EXCHANGE(1)
    EXCHANGE(2)
    EXCHANGE(4)
    EACH(a, VEC_LANES / 2) {
        vec low = v[a], high = v[a + VEC_LANES / 2];
        v[a] = __builtin_shufflevector(low, high, LANE_LIST(FIRST_HALVES));
        v[a + VEC_LANES / 2] = __builtin_shufflevector(low, high, LANE_LIST(LAST_HALVES));
    }
}

/* The first `count` lanes at an address, and zeros; and the other direction. */
INLINE vec at_part(const real *x, int64_t count)
{
    if (count >= LANES) return at(x);
    vec v = {0};
    for (int64_t k = 0; k < count; k++) v[k] = x[k];
    return v;
}
INLINE void put_part(real *y, vec v, int64_t count)
{
    if (count >= LANES) put(y, v);
    else
        for (int64_t k = 0; k < count; k++) y[k] = v[k];
}

/* Elements 0, 2, 4, … and 1, 3, 5, … of two vectors. */
#define EVEN(l) (2 * (l))
#define ODD(l) (2 * (l) + 1)
INLINE vec evens(vec a, vec b) { return __builtin_shufflevector(a, b, LANE_LIST(EVEN)); }
INLINE vec odds(vec a, vec b) { return __builtin_shufflevector(a, b, LANE_LIST(ODD)); }

/* Lane b of the result is the sum of the lanes of v[b]. The vectors are added in pairs, which halves their number. */
#define ADD_PAIRS(step)                                                                                                \
    EACH(i, VEC_LANES)                                                                                                 \
        if (step < VEC_LANES && !(i & (2 * step - 1)))                                                                 \
            v[i] = __builtin_shufflevector(v[i], v[i | step], LANE_LIST(LOW_##step)) +                                 \
                   __builtin_shufflevector(v[i], v[i | step], LANE_LIST(HIGH_##step));
INLINE vec lane_sums(vec *v)
{
    ADD_PAIRS(1)
    ADD_PAIRS(2)
    ADD_PAIRS(4)
    ADD_PAIRS(8)
    return v[0];
}

/* y[b along + a] = x[a step + b] for a, b < LANES */
INLINE void transpose_block(const real *x, int64_t step, real *y, int64_t along)
{
    int64_t rows[VEC_LANES];
    EACH(a, VEC_LANES) rows[a] = a * step;
    transpose_rows(x, rows, y, along);
}

/* y[b along + a] = x[a step + b] for a < rows, b < columns; defined in transposing.c */
void NAME(transpose_matrix)(const real *x, int64_t step, int64_t rows, int64_t columns, real *y, int64_t along);

#endif
