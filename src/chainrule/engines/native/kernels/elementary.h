/* Elementary functions of vectors. NaN propagates.
 *
 * e^x for x ≤ 0: with k = round(x / ln 2) and r = x − k ln 2, e^x = 2^k e^r. Writing k to the exponent bits of a number
 * gives 2^k. For |r| ≤ ½ ln 2, e^r = 1 + r + r² Q(r). In float32, Q minimizes the largest relative error of e^r − 1
 * (1.7·10⁻⁸); in float64, Q interpolates (e^r − 1 − r)/r² at Chebyshev nodes (5.5·10⁻¹⁹). Denormal results are 0.
 *
 * arctan z = z + z³ P(z²), where P interpolates at the Chebyshev nodes of 0 ≤ z² ≤ tan²(π/8).
 *
 * The largest errors over 20 million arguments were 1.1 (e^x), 1.2 (e^x − 1), 2.9 (log(1 + x)), 2.6 (tanh) and
 * 2.6 (arctan) units in the last place. */
#ifndef CHAINRULE_ELEMENTARY_H
#define CHAINRULE_ELEMENTARY_H

#include "kernel.h"

#ifdef DOUBLE
#define MACHINE_EPSILON 0x1p-52
enum { FRACTION_BITS = 52, LARGEST_EXPONENT = 1023 };
#define SMALLEST_NORMAL 0x1p-1022
/* ln 2 and π/4 as sums of two numbers; k times the first part of ln 2 is exact. */
static const real LN_2[] = {0.693147180369123816490, 1.90821492927058770002e-10};
static const real QUARTER_PI[] = {0.78539816339744830962, 3.061616997868383e-17};
static const real EXPONENTIAL[] = {0.5,
                                   0.1666666666666667099,
                                   0.04166666666666666975,
                                   0.008333333333326140884,
                                   0.001388888888888375242,
                                   1.984126987480049198e-4,
                                   2.480158732553336382e-5,
                                   2.755725542574643428e-6,
                                   2.755727366134863622e-7,
                                   2.510520637395701112e-8,
                                   2.09146793765839351e-9};
static const real ARCTANGENT[] = {-0.333333333333333302,  0.199999999999955141,   -0.142857142846651796,
                                  0.111111110151467146,   -0.0909090457366905996, 0.0769218308734202595,
                                  -0.0666450998981804447, 0.0585813625190614628,  -0.0508538348884283141,
                                  0.0392297445366122309,  -0.0191745435720213323};
enum { LOGARITHM_TERMS = 11, LOG_ONE_PLUS_TERMS = 18 };
#else
#define MACHINE_EPSILON 0x1p-23f
enum { FRACTION_BITS = 23, LARGEST_EXPONENT = 127 };
#define SMALLEST_NORMAL 0x1p-126f
static const real LN_2[] = {0.693359375f, -2.121944400546905827679e-4f};
static const real QUARTER_PI[] = {0.78539818525314331055f, -2.1855695000931214e-08f};
static const real EXPONENTIAL[] = {0.49999997f, 0.166665435f, 0.0416672006f, 0.00836652052f, 0.00138825225f};
static const real ARCTANGENT[] = {-0.3333333176f, 0.1999954022f, -0.1426394636f, 0.1074363163f, -0.06451597259f};
enum { LOGARITHM_TERMS = 5, LOG_ONE_PLUS_TERMS = 9 };
#endif
#include "generated_normal.h" /* MILLS_RATIO and MILLS_CENTER */

#define LENGTH(array) ((int)(sizeof(array) / sizeof(*(array))))

/* The bit of the sign in each lane. */
#define SIGN ((mask){0} + (lane_int)(UINT64_C(1) << (8 * (int)sizeof(real) - 1)))
INLINE vec magnitude(vec x) { return (vec)((mask)x & ~SIGN); }
INLINE vec with_sign_of(vec x, vec sign) { return (vec)(((mask)x & ~SIGN) | ((mask)sign & SIGN)); }
/* Loops over lanes, which compilers replace by one instruction. */
INLINE vec square_root(vec x)
{
    EACH(lane, LANES) x[lane] = REAL(sqrt)(x[lane]);
    return x;
}
INLINE vec rounded_down(vec x)
{
    EACH(lane, LANES) x[lane] = REAL(floor)(x[lane]);
    return x;
}
INLINE vec rounded(vec x)
{
    EACH(lane, LANES) x[lane] = REAL(rint)(x[lane]);
    return x;
}

/* Σ_k c[k] x^k, by Horner's scheme */
INLINE vec polynomial(const real *c, int count, vec x)
{
    vec sum = spread(c[count - 1]);
    UNROLLED for (int k = count - 2; k >= 0; k--) sum = sum * x + c[k];
    return sum;
}

/* 2^k and p for x ≤ 0, where e^x = 2^k (1 + p). Pairs of coefficients halve the chain of dependent operations. */
INLINE vec power_and_rest(vec x, vec *rest)
{
    const vec lowest = spread((real)(-LARGEST_EXPONENT * 0.6931471805599453));
    x = max_or_b(lowest, x);
    /* Numbers near this one are integers: the sum rounds, and its low bits are k. */
    const vec large = spread((real)3 * ((lane_int)1 << (FRACTION_BITS - 1)) + LARGEST_EXPONENT);
    vec shifted = x * (real)1.4426950408889634 + large, k = shifted - large;
    vec r = (x - k * LN_2[0]) - k * LN_2[1], square = r * r;
    const int count = LENGTH(EXPONENTIAL), last = (count - 1) / 2 * 2;
    vec sum = polynomial(EXPONENTIAL + last, count - last, r);
    UNROLLED for (int c = last - 2; c >= 0; c -= 2) sum = sum * square + (r * EXPONENTIAL[c + 1] + EXPONENTIAL[c]);
    *rest = square * sum + r;
    return (vec)((mask)shifted << FRACTION_BITS);
}

/* e^x for x ≤ 0 */
INLINE vec exponential(vec x)
{
    vec p, power = power_and_rest(x, &p);
#ifdef __FMA__
    return power * p + power;
#else
    return power * (p + 1); /* 2^k p may be denormal, and would be flushed to 0 */
#endif
}

INLINE vec exponential_of_any(vec x)
{
    vec root = exponential(magnitude(x) * (real)-0.5);
    return choose(x > 0, 1 / root / root, root * root);
}

/* e^x − 1 = 2^k p + (2^k − 1) for x ≤ 0 */
INLINE vec exponential_minus_one(vec x)
{
    vec p, power = power_and_rest(x, &p);
    return power * p + (power - 1);
}

/* For x > 0, −(e^−x − 1) e^x. */
INLINE vec expm1_of_any(vec x)
{
    vec change = exponential_minus_one(-magnitude(x));
    return choose(x > 0, -change * exponential_of_any(x), change);
}

/* 2 artanh(z) / z = 2 + 2 z²/3 + 2 z⁴/5 + …, from term `first` on */
INLINE vec artanh_series(vec square, int first, int terms)
{
    vec sum = spread((real)2 / (2 * terms - 1));
    UNROLLED for (int term = terms - 2; term >= first; term--) sum = sum * square + (real)2 / (2 * term + 1);
    return sum;
}

/* log(1 + x) = 2 artanh(x / (2 + x)) for 0 ≤ x ≤ 1 */
INLINE vec log_one_plus(vec x)
{
    vec z = x / (x + 2);
    return z * artanh_series(z * z, 0, LOG_ONE_PLUS_TERMS);
}

/* log x = k ln 2 + log m, with x = 2^k m and √½ ≤ m < √2. With f = m − 1 and s = f/(2 + f), log m = f − f²/2 +
 * s (f²/2 + R), where R contains the terms of 2 artanh(s) / s after the first. */
INLINE vec logarithm(vec x)
{
    const mask root_half = (mask)spread((real)0.70710678118654752),
               fraction = (mask){0} + (((lane_int)1 << FRACTION_BITS) - 1);
    const real up = (lane_int)2 << FRACTION_BITS;
    const mask denormal = x < SMALLEST_NORMAL;
    mask bits = (mask)choose(denormal, x * up, x) - root_half;
    const vec large = spread((real)3 * ((lane_int)1 << (FRACTION_BITS - 1)));
    vec k = (vec)((bits >> FRACTION_BITS) + (mask)large) - large;
    k -= choose(denormal, spread(FRACTION_BITS + 1), spread(0));
    vec f = (vec)((bits & fraction) + root_half) - 1, s = f / (f + 2), z = s * s, half = f * f * (real)0.5;
    vec rest = z * artanh_series(z, 1, LOGARITHM_TERMS);
    vec result = k * LN_2[0] + (f - (half - (s * (half + rest) + k * LN_2[1])));
    result = choose(x < INFINITY, result, x);
    result = choose(x == 0, spread(-INFINITY), result);
    return choose(x < 0, spread(NAN), result);
}

/* log(1 + x) = x log(u) / (u − 1), where the rounding errors of u = 1 + x cancel */
INLINE vec log1p_of_any(vec x)
{
    vec u = x + 1, change = u - 1;
    return choose((change != 0) & (x < INFINITY), logarithm(u) * (x / change), x);
}

/* With m = e^−2|x| − 1, tanh |x| = −m/(2 + m). */
INLINE vec hyperbolic_tangent(vec x)
{
    vec m = exponential_minus_one(magnitude(x) * -2);
    return with_sign_of(m / (m + 2), x);
}

/* arctan |x| = base + arctan z with |z| ≤ tan(π/8): (0, |x|), (π/4, (|x| − 1)/(|x| + 1)) or (π/2, −1/|x|). */
INLINE vec arctangent(vec x)
{
    const vec zero = spread(0), one = spread(1);
    vec size = magnitude(x);
    const mask middle = size > (real)0.41421356237309503, large = size > (real)2.414213562373095;
    vec z = choose(large, -one, choose(middle, size - 1, size)) / choose(large, size, choose(middle, size + 1, one));
    vec square = z * z;
    vec correction = z * square * polynomial(ARCTANGENT, LENGTH(ARCTANGENT), square);
    vec quarters = choose(large, one + 1, choose(middle, one, zero));
    return with_sign_of(quarters * QUARTER_PI[0] + (z + (correction + quarters * QUARTER_PI[1])), x);
}

/* σ(x) = 1/(1 + e^−|x|) for x ≥ 0, and 1 minus this for x < 0 */
INLINE vec logistic(vec x)
{
    vec small = exponential(-magnitude(x));
    return choose(x >= 0, spread(1), small) / (small + 1);
}

/* The density φ(x) of the standard normal distribution. */
INLINE vec normal_density(vec x) { return exponential(x * x * (real)-0.5) * (real)0.3989422804014327; }

/* The distribution function Φ(x), computed from the tail Φ(−|x|) = φ(x) · Mills' ratio, so that no digits cancel. */
INLINE vec normal_distribution(vec x)
{
    vec part = 1 / (magnitude(x) + MILLS_CENTER);
    vec tail = normal_density(x) * (part * polynomial(MILLS_RATIO, LENGTH(MILLS_RATIO), 1 - 2 * MILLS_CENTER * part));
    return choose(x > 0, 1 - tail, tail);
}

/* The lanes before `count`. */
INLINE mask first_lanes(int64_t count)
{
    static const lane_int lanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return *(const mask *)lanes < (lane_int)count;
}

/* The first `count` lanes of a vector at x, and zeros; and the same for stores. */
#if WIDTH == 64
#define FIRST(count) ((1 << min64(count, LANES)) - 1)
INLINE vec some(const real *x, int64_t count) { return (vec)OF_REALS(maskz_loadu)((__mmask16)FIRST(count), x); }
INLINE void put_some(real *y, int64_t count, vec v) { OF_REALS(mask_storeu)(y, (__mmask16)FIRST(count), (x86_vec)v); }
#else
INLINE vec some(const real *x, int64_t count)
{
    if (count >= LANES) return at(x);
#if WIDTH == 32
    return (vec)OF_REALS(maskload)(x, (__m256i)first_lanes(count));
#else
    vec v = {0};
    for (int64_t lane = 0; lane < count; lane++) v[lane] = x[lane];
    return v;
#endif
}
INLINE void put_some(real *y, int64_t count, vec v)
{
    if (count >= LANES) put(y, v);
#if WIDTH == 32
    else OF_REALS(maskstore)(y, (__m256i)first_lanes(count), (x86_vec)v);
#else
    else
        for (int64_t lane = 0; lane < count; lane++) y[lane] = v[lane];
#endif
}
#endif

/* A function that computes whole vectors of y from elements of up to three arrays with the same indices, and its call
 * from a kernel, whose last array is y. What remains is computed in a copy. */
typedef void Elementwise(const real *const *x, real *y, int64_t count, const Array *arrays, const Number *numbers);
#define ELEMENTS(name)                                                                                                 \
    static void compute_##name(const real *const *x, real *y, int64_t count, const Array *arrays, const Number *numbers)
static inline Status elementwise(Elementwise *compute, int reads, const Array *arrays, const Number *numbers)
{
    const real *x[3] = {NULL}, *copied[3] = {NULL};
    real *y = arrays[reads].at, rest[4][WIDTH / sizeof(real)] = {{0}};
    int64_t count = size_from(arrays[reads], 0), whole = count / LANES * LANES;
    for (int read = 0; read < reads; read++) x[read] = arrays[read].at;
    if (whole) compute(x, y, whole, arrays, numbers);
    if (whole == count) return DONE;
    for (int read = 0; read < reads; read++) {
        memcpy(rest[read], x[read] + whole, (size_t)(count - whole) * sizeof(real));
        copied[read] = rest[read];
    }
    compute(copied, rest[3], LANES, arrays, numbers);
    memcpy(y + whole, rest[3], (size_t)(count - whole) * sizeof(real));
    return DONE;
}

#endif
