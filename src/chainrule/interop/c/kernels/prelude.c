/* Vectors of LANES floats where the compiler has them (GCC, clang); -DNETWORK_PLAIN leaves them out. */
#if defined(__GNUC__) && !defined(NETWORK_PLAIN)
#if defined(__AVX512F__)
#define LANES 16
#define PICK(wide, half, many, few, one) (wide)
#elif defined(__AVX__)
#define LANES 8
#define PICK(wide, half, many, few, one) (half)
#elif defined(__aarch64__)
#define LANES 4
#define PICK(wide, half, many, few, one) (many)
#elif defined(__SSE__) || defined(__ARM_NEON) || defined(__wasm_simd128__)
#define LANES 4
#define PICK(wide, half, many, few, one) (few)
#endif
#endif
#ifndef LANES
#define LANES 1
#define PICK(wide, half, many, few, one) (one)
#endif

/* Hints: a function for every call of it, loops without a loop (short ones), and loops whose turns are independent.
   A hint that a compiler does not follow is no reason for a warning. RARE: a condition that hardly ever holds. */
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

#if LANES == 1
typedef float vector;
typedef float vector_4, vector_8, vector_16;
#define LANE(v, k) (v)
#define ALIGNED
#define RELU(v) ((v) <= 0 ? 0 : (v))
#else
#define SMALLER(count) (4 * (LANES < (count) ? LANES : (count)))
typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float vector_4 __attribute__((vector_size(SMALLER(4)), aligned(4), may_alias));
typedef float vector_8 __attribute__((vector_size(SMALLER(8)), aligned(4), may_alias));
typedef float vector_16 __attribute__((vector_size(SMALLER(16)), aligned(4), may_alias));
#define LANE(v, k) ((v)[k])
#define ALIGNED __attribute__((aligned(64)))
#define RELU(v) ((__typeof__(v))(~((v) <= (__typeof__(v)){0}) & (__typeof__((v) <= (v)))(v)))
#endif
