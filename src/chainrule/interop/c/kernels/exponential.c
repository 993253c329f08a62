/* Returns 2^n and sets q = e^r - 1, so that e^x = 2^n (q + 1)   n = round(x / log 2), r = x - n log 2, |r| <= (log 2)/2
   x is clamped to [-87, 88], where 2^n is a normal float. Adding and subtracting 1.5 2^23, whose bits are 0x4b400000,
   rounds to an integer with float arithmetic, which compilers can vectorize. n log 2 is subtracted in two parts for
   accuracy. q is a polynomial of degree 6 in r. */
INLINE float exponential_parts(float x, float *q)
{
    union {
        float value;
        uint32_t bits;
    } n, power;
    float r;
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    n.value = x * 0x1.715476p+0f + 0x1.8p+23f;
    power.bits = (n.bits - 0x4b400000u + 127u) << 23;
    n.value -= 0x1.8p+23f;
    r = x - n.value * 0x1.62e4p-1f - n.value * 0x1.7f7d1cp-20f;
    *q = r + r * r * (0.5f + r * (0x1.555556p-3f + r * (0x1.555556p-5f + r * (0x1.111112p-7f + r * 0x1.6c16c2p-10f))));
    return power.value;
}

/* e^x */
INLINE float exponential(float x)
{
    float q, power = exponential_parts(x, &q);
    return power * q + power;
}

/* e^x - 1, also accurate near 0 */
INLINE float exponential_minus_one(float x)
{
    float q, power = exponential_parts(x, &q);
    return power * q + (power - 1);
}

/* 1/(1 + e^-x) */
INLINE float logistic(float x)
{
    return 1 / (1 + exponential(-x));
}

/* tanh(x) = (e^2x - 1)/(e^2x + 1) */
INLINE float hyperbolic_tangent(float x)
{
    float e = exponential_minus_one(2 * x);
    return e / (e + 2);
}

/* The cumulative distribution function of the standard normal distribution: erfc(-x/sqrt 2)/2 */
INLINE float normal_distribution(float x)
{
    return 0.5f * erfcf(-0x1.6a09e6p-1f * x);
}

/* The density of the standard normal distribution: e^(-x^2/2)/sqrt(2 pi) */
INLINE float normal_density(float x)
{
    return 0x1.988454p-2f * exponential(-0.5f * x * x);
}
