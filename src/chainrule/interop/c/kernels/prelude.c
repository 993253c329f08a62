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

/* vector_1, vector_4, vector_8, vector_16: vectors of 1, 4, 8 and 16 floats, but at most as long as `vector`. They may
   be loaded from and stored to the address of any float. LANE(v, k): element k. RELU(v): element-wise max(0, v); NaN
   propagates. ALIGNED: aligns an array to 64 bytes, the size of the longest vector. */
#if LANES == 1
typedef float vector;
typedef float vector_1, vector_4, vector_8, vector_16;
#define LANE(v, k) (v)
#define ALIGNED
#define RELU(v) ((v) <= 0 ? 0 : (v))
#else
#define VECTOR_BYTES(count) (4 * (LANES < (count) ? LANES : (count)))
typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float vector_1 __attribute__((vector_size(VECTOR_BYTES(1)), aligned(4), may_alias));
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
