/* v clamped to [-128, 127] */
INLINE int8_t clamp_int8(int64_t v)
{
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

/* sum multiplier / 2^shift + zero, rounded and clamped to int8: a sum of products on the scale of the result
   high: whether shift > 32, so that the lower half of the product does not matter */
INLINE int8_t rescale(int32_t sum, int32_t multiplier, int shift, int zero, int high)
{
    int64_t product = (int64_t)sum * multiplier;
    int32_t upper = (int32_t)((uint64_t)product >> 32);
    if (high)
        return clamp_int8(((upper + (1 << (shift - 33))) >> (shift - 32)) + zero);
    return clamp_int8(((product + ((int64_t)1 << (shift - 1))) >> shift) + zero);
}

/* Four int8 or two int16 values at any address. DUAL_MULTIPLY: whether the processor multiplies two int16 pairs at a
   time, as Arm processors with the DSP extension do, such as Cortex-M4:
   EVEN(v), ODD(v)                     the int16 pair of bytes 0 and 2, or 1 and 3, of v
   ADD_EVEN(a, v), ADD_ODD(a, v)       the same plus the int16 pair a
   MULTIPLY_ADD(a, b, sum)             sum plus the products of two int16 pairs
   COLUMN_START(p, size), COLUMN_INDEX(at, width)   position of column p, and of its value `at`. For dual products,
       the columns are interleaved in groups of 4 values, of which the even ones come first
   DOT(a, b)                           sums of the products of neighboring int16 values of two vectors of DOT_VALUES
   OCTET(p)                            vector of the 8 int8 values at p; OCTETS: whether it exists */
typedef struct
#if defined(__GNUC__)
    __attribute__((packed, may_alias))
#endif
{
    int32_t values;
} word;
#if defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && !defined(__aarch64__) && !defined(NETWORK_PLAIN)
#define DUAL_MULTIPLY 1
#define COLUMN_START(p, size) (4 * (p))
#define COLUMN_INDEX(at, width) ((at) / 4 * 4 * (width) + (at) % 2 * 2 + (at) / 2 % 2)
#define ASSEMBLE(code, a, b, c) \
    __extension__({ \
        int32_t result; \
        __asm__(code : "=r"(result) : "r"(a), "r"(b), "r"(c)); \
        result; \
    })
#define EVEN(v) ASSEMBLE("sxtb16 %0, %1", v, v, v)
#define ODD(v) ASSEMBLE("sxtb16 %0, %1, ror #8", v, v, v)
#define ADD_EVEN(a, v) ASSEMBLE("sxtab16 %0, %1, %2", a, v, v)
#define ADD_ODD(a, v) ASSEMBLE("sxtab16 %0, %1, %2, ror #8", a, v, v)
#define MULTIPLY_ADD(a, b, sum) ASSEMBLE("smlad %0, %1, %2, %3", a, b, sum)
#else
#define DUAL_MULTIPLY 0
#define COLUMN_START(p, size) ((p) * (size))
#define COLUMN_INDEX(at, width) ((void)(width), (at))
#endif
#if LANES > 1 && defined(__AVX2__)
#define OCTETS 1
#define DOT_VALUES 16
#define DOT __builtin_ia32_pmaddwd256
#if !defined(__clang__)
#define WIDEN(bytes, type) ((type)__builtin_ia32_pmovsxbw256(bytes))
#endif
#elif LANES > 1 && defined(__SSE2__)
#define DOT_VALUES 8
#define DOT __builtin_ia32_pmaddwd128
#elif LANES > 1 && defined(__wasm_simd128__)
#define DOT_VALUES 8
#define DOT __builtin_wasm_dot_s_i32x4_i16x8
#endif
#ifndef WIDEN
#define WIDEN(bytes, type) __builtin_convertvector(bytes, type)
#endif
#ifdef DOT
typedef char byte_vector __attribute__((vector_size(DOT_VALUES), aligned(1), may_alias));
typedef int16_t short_vector __attribute__((vector_size(2 * DOT_VALUES), aligned(1), may_alias));
typedef int32_t int_vector __attribute__((vector_size(2 * DOT_VALUES), aligned(4), may_alias));
typedef int64_t long_vector __attribute__((vector_size(2 * DOT_VALUES), may_alias));
typedef int64_t quad __attribute__((aligned(1), may_alias));
#endif
#ifdef OCTETS
typedef uint64_t bit_vector __attribute__((vector_size(32)));
typedef int8_t octet __attribute__((vector_size(8), aligned(1), may_alias));
typedef int16_t short_octet __attribute__((vector_size(16), aligned(1), may_alias));
#if defined(__clang__)
#define OCTET(p) WIDEN(*(const octet *)(p), int_vector)
#else
typedef int64_t quad_pair __attribute__((vector_size(16)));
#define OCTET(p) \
    ((int_vector)__builtin_ia32_pmovsxbd256((byte_vector)(quad_pair){*(const quad *)(const void *)(p), 0}))
#endif
#endif

/* y[e] = rescale(sum[e] + b[e] - w_zero[e] total); w_zero may be null */
INLINE void rescale_sums(const int32_t *sum, const int32_t *b, const int8_t *w_zero, int32_t total,
                         const int32_t *multiplier, const int8_t *shift, int8_t *y, int count, int zero, int high)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = rescale(sum[e] + b[e] - (w_zero ? w_zero[e] * total : 0), multiplier[e], shift[e], zero, high);
}

/* rescale_sums with high and without w_zero; with vectors, count is a multiple of 8 */
INLINE void rescale_octets(const int32_t *sum, const int32_t *b, const int32_t *multiplier, const int8_t *shift,
                           int8_t *y, int count, int zero)
{
#ifdef OCTETS
    for (int e = 0; e < count; e += 8) {
        int_vector sums = *(const int_vector *)(sum + e) + *(const int_vector *)(b + e);
        int_vector factors = *(const int_vector *)(multiplier + e);
        int_vector shifts = OCTET(shift + e) - 32, one = (int_vector){0} + 1;
        int_vector odd_sums = (int_vector)((bit_vector)sums >> 32);
        int_vector odd_factors = (int_vector)((bit_vector)factors >> 32);
        bit_vector even = (bit_vector)__builtin_ia32_pmuldq256(sums, factors);
        bit_vector odd = (bit_vector)__builtin_ia32_pmuldq256(odd_sums, odd_factors);
        int_vector upper = (int_vector)(even >> 32 | odd >> 32 << 32);
        int_vector result = ((upper + (one << (shifts - 1))) >> shifts) + zero;
        short_vector narrow = __builtin_ia32_packssdw256(result, result);
        result = (int_vector)__builtin_ia32_packsswb256(narrow, narrow);
        ((word *)(void *)(y + e))[0].values = result[0];
        ((word *)(void *)(y + e))[1].values = result[4];
    }
#else
    rescale_sums(sum, b, 0, 0, multiplier, shift, y, count, zero, 1);
#endif
}

/* x[p,c] = ((image[c,p] - origin[c]) - rest[c]) scale[c] + zero, rounded and clamped to int8; NaN becomes -128
   p: positions; scale = gain / step: combines the normalization of the image with the scale of x
   scales: channels, or 1 if all channels have the same constants */
static void quantize(const float *image, int8_t *x, const float *origin, const float *rest, const float *scale,
                     int scales, int channels, int plane, int zero)
{
    for (int p = 0; p < plane; p++)
        for (int c = 0; c < channels; c++) {
            int k = scales > 1 ? c : 0;
            float v = floorf(((image[c * plane + p] - origin[k]) - rest[k]) * scale[k] + (float)zero + 0.5f);
            *x++ = (int8_t)(v >= -128 ? (v > 127 ? 127 : v) : -128);
        }
}

/* y[c,p] = step (x[p,c] - zero) */
static void dequantize(const int8_t *x, float *y, int channels, int plane, float step, int zero)
{
    for (int p = 0; p < plane; p++)
        for (int c = 0; c < channels; c++)
            y[c * plane + p] = step * (float)(*x++ - zero);
}

/* y[p,c] = table[c][x[p,c] + 128]: an element-wise function, given by its 256 results for each channel c, or for all as
   one channel */
static void look_up(const int8_t *x, const int8_t *table, int8_t *y, int channels, int count)
{
    for (int c = 0; c < channels; c++, table += 256)
        for (int e = c; e < count; e += channels)
            y[e] = table[x[e] + 128];
}

/* y[i,j,c] = max over the window of x; the padding is skipped */
static void max_pool_int8(const int8_t *x, int8_t *y, const sliding *s)
{
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++, y += s->channels) {
            area a;
            covered(s, i, j, &a);
            for (int c = 0; c < s->channels; c++)
                y[c] = -128;
            for (int h = a.top; h < a.bottom; h++)
                for (int k = a.left; k < a.right; k++) {
                    const int8_t *from = x + (h * s->width + k) * s->channels;
                    for (int c = 0; c < s->channels; c++)
                        y[c] = from[c] > y[c] ? from[c] : y[c];
                }
        }
}

/* y[i,j,c] = mean over the window of (x - x_zero), times multiplier / 2^shift, plus y_zero, rounded and clamped to int8;
   the padding is excluded from the mean. Ties: even multiples of the step if ties_even, else integers away from 0 */
static void average_pool_int8(const int8_t *x, int8_t *y, const sliding *s, int multiplier, int shift, int x_zero,
                              int y_zero, int ties_even)
{
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++) {
            area a;
            int64_t count = (int64_t)covered(s, i, j, &a) << shift;
            for (int c = 0; c < s->channels; c++) {
                int sum = 0;
                for (int h = a.top; h < a.bottom; h++)
                    for (int k = a.left; k < a.right; k++)
                        sum += x[(h * s->width + k) * s->channels + c] - x_zero;
                int64_t doubled = 2 * (int64_t)sum * multiplier + count;
                int64_t mean = doubled / (2 * count) - (doubled % (2 * count) < 0);
                int rounds_down = doubled % (2 * count) == 0 && (ties_even ? mean & 1 : mean + y_zero <= 0);
                *y++ = clamp_int8(mean + y_zero - rounds_down);
            }
        }
}

/* y = a + b on the scale of y: ((a - a_zero) a_multiplier + (b - b_zero) b_multiplier) / 2^shift + y_zero, rounded */
static void add_int8(const int8_t *a, const int8_t *b, int8_t *y, int count, int a_multiplier, int b_multiplier,
                     int shift, int a_zero, int b_zero, int y_zero)
{
    for (int e = 0; e < count; e++) {
        int32_t sum = (a[e] - a_zero) * a_multiplier + (b[e] - b_zero) * b_multiplier;
        y[e] = clamp_int8(((sum + (1 << (shift - 1))) >> shift) + y_zero);
    }
}

/* y = a b on the scale of y: rescale((a - a_zero) (b - b_zero)) */
static void multiply_int8(const int8_t *a, const int8_t *b, int8_t *y, int count, int multiplier, int shift, int a_zero,
                          int b_zero, int y_zero)
{
    for (int e = 0; e < count; e++)
        y[e] = rescale((a[e] - a_zero) * (b[e] - b_zero), multiplier, shift, y_zero, 0);
}
