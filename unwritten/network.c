/* The network of network.h, written by chainrule 1.0.0, 376c9f21281c97ac */
/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdint.h>

#include "network.h"

/* `vector` has LANES floats, the size of a register of the target. It requires the vector extensions of GCC or clang.
   With other compilers or targets, or with -DNETWORK_PLAIN, LANES is 1 and all loops are scalar.
   PICK selects a constant for the target: AVX-512, AVX, AArch64, another target with registers of 4 floats, scalar. */
#if defined(__GNUC__) && !defined(NETWORK_PLAIN)
#if defined(__AVX512F__)
#define LANES 16
#define PICK(avx512, avx, aarch64, simd128, scalar) (avx512)
#elif defined(__AVX__)
#define LANES 8
#define PICK(avx512, avx, aarch64, simd128, scalar) (avx)
#elif defined(__aarch64__)
#define LANES 4
#define PICK(avx512, avx, aarch64, simd128, scalar) (aarch64)
#elif defined(__SSE__) || defined(__ARM_NEON) || defined(__wasm_simd128__)
#define LANES 4
#define PICK(avx512, avx, aarch64, simd128, scalar) (simd128)
#endif
#endif
#ifndef LANES
#define LANES 1
#define PICK(avx512, avx, aarch64, simd128, scalar) (scalar)
#endif

/* Hints for the compiler, which may ignore them without a warning:
   INLINE       compile a copy of the function into each caller, where sizes are constants
   UNROLL       unroll the following short loop completely
   INDEPENDENT  the iterations of the following loop are independent, so it may be vectorized
   UNLIKELY     the condition is almost never true */
#if defined(__GNUC__)
#define UNLIKELY(condition) __builtin_expect(condition, 0)
#else
#define UNLIKELY(condition) (condition)
#endif
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"
#endif
#if defined(__clang__) && !defined(__OPTIMIZE_SIZE__)
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8 && !defined(__OPTIMIZE_SIZE__)
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INLINE static inline
#define UNROLL
#define INDEPENDENT
#endif

/* vector_4, vector_8, vector_16: vectors of 4, 8 and 16 floats, but at most as long as `vector`. They may be loaded
   from and stored to the address of any float. LANE(v, k): element k. RELU(v): element-wise max(0, v); NaN propagates.
   ALIGNED: aligns an array to 64 bytes, the size of the longest vector. */
#if LANES == 1
typedef float vector;
typedef float vector_4, vector_8, vector_16;
#define LANE(v, k) (v)
#define ALIGNED
#define RELU(v) ((v) <= 0 ? 0 : (v))
#else
#define VECTOR_BYTES(count) (4 * (LANES < (count) ? LANES : (count)))
typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float vector_4 __attribute__((vector_size(VECTOR_BYTES(4)), aligned(4), may_alias));
typedef float vector_8 __attribute__((vector_size(VECTOR_BYTES(8)), aligned(4), may_alias));
typedef float vector_16 __attribute__((vector_size(VECTOR_BYTES(16)), aligned(4), may_alias));
#define LANE(v, k) ((v)[k])
#define ALIGNED __attribute__((aligned(64)))
#define RELU(v) ((__typeof__(v))(~((v) <= (__typeof__(v)){0}) & (__typeof__((v) <= (v)))(v)))
#endif

typedef union {
    float value;
    uint32_t bits;
} float_bits;

/* y[o] = b[o] + sum over c of w[o,c] x[c] for up to 8 rows, with a vector of partial sums per row. b may be null. */
INLINE void dense_rows(const float *x, const float *w, const float *b, float *y, int inputs, int rows)
{
    vector sum[8];
    int whole = inputs / LANES * LANES;
    UNROLL
    for (int o = 0; o < rows; o++)
        sum[o] = (vector){0};
    for (int c = 0; c < whole; c += LANES)
        UNROLL
        for (int o = 0; o < rows; o++)
            sum[o] += *(const vector *)(w + o * inputs + c) * *(const vector *)(x + c);
    for (int o = 0; o < rows; o++) {
        float total = b ? b[o] : 0;
        for (int k = 0; k < LANES; k++)
            total += LANE(sum[o], k);
        for (int c = whole; c < inputs; c++)
            total += w[o * inputs + c] * x[c];
        y[o] = total;
    }
}

/* y[c,k] = y[c,k + columns] for k < kept, then x[c]   c: a channel; y: kept + columns values, which remain until the next call */
static void append(const float *x, float *y, int channels, int kept, int columns)
{
    for (int c = 0; c < channels; c++) {
        for (int k = 0; k < kept; k++)
            y[k] = y[k + columns];
        y += kept;
        for (int k = 0; k < columns; k++)
            *y++ = *x++;
    }
}

/* x = ((image - origin) - rest) gain: the normalization of the training data, of each channel or of all as one channel */
static void normalize(const float *image, float *x, const float *origin, const float *rest, const float *gain,
                      int channels, int plane)
{
    for (int c = 0; c < channels; c++, image += plane, x += plane) {
        INDEPENDENT
        for (int e = 0; e < plane; e++)
            x[e] = image[e] - origin[c];
        INDEPENDENT
        for (int e = 0; e < plane; e++) /* apart, since -ffast-math would add origin and rest */
            x[e] = (x[e] - rest[c]) * gain[c];
    }
}

/* y[o] = b[o] + sum over c of w[o,c] x[c], in blocks of 8 rows, then 2, then 1. b may be null. */
INLINE void dense(const float *x, const float *w, const float *b, float *y, int inputs, int outputs)
{
    int o = 0;
    for (; o + 8 <= outputs; o += 8)
        dense_rows(x, w + o * inputs, b ? b + o : b, y + o, inputs, 8);
    for (; o + 2 <= outputs; o += 2)
        dense_rows(x, w + o * inputs, b ? b + o : b, y + o, inputs, 2);
    for (; o < outputs; o++)
        dense_rows(x, w + o * inputs, b ? b + o : b, y + o, inputs, 1);
}

ALIGNED static const float dense1_w[64] = {
    -0x1.12c03p-2f, 0x1.ad06c4p-2f, 0x1.590cf8p-3f, -0x1.12edbep-2f, -0x1.54edcap-2f, -0x1.e5758ap-3f, 0x1.937bdp-5f,
    0x1.060b96p-3f, -0x1.163bap-3f, -0x1.0a8e2cp-2f, 0x1.7c7964p-5f, 0x1.a5744cp-5f, -0x1.31626ep-5f, -0x1.d32ff6p-3f,
    0x1.08d70ep-2f, 0x1.969a68p-4f, 0x1.3219a8p-2f, 0x1.7994e2p-2f, 0x1.69c9bcp-2f, 0x1.051f4cp-5f, -0x1.a770e2p-3f,
    -0x1.b7e82cp-4f, 0x1.24908cp-2f, -0x1.a0e39ap-2f, -0x1.8ce53p-2f, 0x1.ceab2ap-5f, 0x1.75a3b2p-3f, 0x1.026e38p-2f,
    0x1.c34082p-3f, 0x1.2fe77cp-2f, -0x1.82ea38p-4f, 0x1.b0ca5cp-3f, -0x1.852a16p-3f, 0x1.092fbap-2f, 0x1.cab634p-3f,
    -0x1.e8aec6p-5f, -0x1.79f7fap-5f, 0x1.fa114p-5f, -0x1.0db03ep-2f, -0x1.7c2b7p-2f, 0x1.0ec3bcp-8f, 0x1.37c528p-2f,
    -0x1.3f7bcp-5f, 0x1.185afp-2f, 0x1.0a4386p-2f, 0x1.faab2ep-3f, -0x1.5cfd08p-2f, 0x1.34ec24p-3f, 0x1.57903ap-2f,
    0x1.ad5454p-2f, 0x1.ddfe2ep-5f, -0x1.dc4f0cp-5f, -0x1.4b6858p-3f, 0x1.283fcap-6f, -0x1.3404dap-6f,
    -0x1.fb9192p-3f, -0x1.3b273ap-7f, 0x1.a93ed8p-2f, -0x1.437efp-3f, 0x1.9b97fep-2f, -0x1.18263cp-3f, 0x1.aa404p-2f,
    0x1.8cea6ap-4f, 0x1.265802p-3f,
};

ALIGNED static const float dense1_b[2] = {
    0.0f, 0.0f,
};

static const float float_0[1] = {128.0f};

static const float float_1[1] = {0.0f};

static const float float_2[1] = {0x1p-6f};

const char *const network_classes[NETWORK_CLASSES] = {
    "0",
    "1"};

void network_run(float *arena, const float *image, float *outputs)
{
    /* x_window: 2x16 */
    append(image, arena + 0, 2, 15, 1);
    /* dense1_y: 2 */
    dense(arena + 0, dense1_w, dense1_b, outputs, 32, 2);
    (void)arena;
}

int network_selftest(float *arena, float *image, float *outputs)
{
    static const float recorded[] = {-0x1.34fefp+0f, -0x1.73b9a2p-1f};
    uint32_t state = 1;
    for (int k = 0; k < 32; k++)
        arena[k] = 0;
    for (int call = 0; call < 16; call++) {
    for (int k = 0; k < NETWORK_INPUTS; k++) {
        state = state * 1664525u + 1013904223u;
        image[k] = (float)((int)(state >> 24) - 0);
    }
    /* x: 2x1 */
    normalize(image, image, float_0, float_1, float_2, 1, 2);
    network_run(arena, image, outputs);
    }
    for (int k = 0; k < 2; k++) {
        float output = (float)outputs[k * 1], expected = (float)recorded[k], difference = output - expected;
        int is_near = difference >= -0x1.3c6968p-10f && difference <= 0x1.3c6968p-10f; /* 0 for NaN and infinity */
        int is_same = output == expected || (output != output && expected != expected);
        if (!is_near && !is_same)
            return 0;
    }
    return 1;
}

int network_class(const float *outputs)
{
    int best = 0;
    for (int k = 1; k < NETWORK_OUTPUTS; k++)
        best = outputs[k] > outputs[best] ? k : best;
    return best;
}
