/* Returns 2^n and sets q = e^r - 1, so that e^x = 2^n (q + 1)   n = round(x / log 2), r = x - n log 2, |r| <= (log 2)/2
   Integers multiply and subtract x and n log 2, as multiples of 2^-24: compilers may reorder or simplify float
   arithmetic (-ffast-math), but not this. The float product with n adds what log 2 has beyond 24 bits. |x| is limited to
   88 by its bits, whose order is that of the numbers. `kept`: all bits set if |x| <= (log 2)/2 (bits 0x3eb17218), where
   r = x exactly, and for NaN (bits above 0x7f800000), which propagates. q is a polynomial of degree 6 in r. */
INLINE float exponential_parts(float x, float *q)
{
    float_bits number = {x}, large, rest, power;
    uint32_t magnitude = number.bits & 0x7fffffffu;
    uint32_t kept = 0u - (uint32_t)(magnitude - 0x3eb17219u > 0x7f800000u - 0x3eb17219u);
    magnitude = magnitude < 0x42b00000u ? magnitude : 0x42b00000u;
    large.bits = ((number.bits & 0x80000000u) | magnitude) & ~kept;
    int32_t n = (int32_t)(large.value * 0x1.715476p+0f + 128.5f) - 128;
    rest.value = (float)((int32_t)(large.value * 0x1p+24f) - n * 0xb17218) * 0x1p-24f + (float)n * 0x1.05c61p-29f;
    rest.bits |= number.bits & kept;
    float r = rest.value;
    power.bits = (uint32_t)(n + 127) << 23;
    *q = r + r * r * (0.5f + r * (0x1.555556p-3f + r * (0x1.555556p-5f + r * (0x1.111112p-7f + r * 0x1.6c16c2p-10f))));
    return power.value;
}

/* e^x */
INLINE float exponential(float x)
{
    float q, power = exponential_parts(x, &q);
    return power * q + power;
}

/* e^x - 1, also accurate near 0: there, the bits of 2^n - 1 are cleared, so that no compiler adds 2^n to q first */
INLINE float exponential_minus_one(float x)
{
    float q, power = exponential_parts(x, &q);
    float_bits change = {power - 1};
    change.bits &= 0u - (uint32_t)(power != 1);
    return power * q + change.value;
}

/* log(1 + u) for 0 <= u <= 1: the series of 2 artanh(s), s = u/(2 + u), is also accurate for small u */
INLINE float log_one_plus(float u)
{
    float s = u / (2 + u), z = s * s;
    float tail = 1.0f / 7 + z * (1.0f / 9 + z * (1.0f / 11 + z * (1.0f / 13)));
    return 2 * s + 2 * s * z * (1.0f / 3 + z * (1.0f / 5 + z * tail));
}

/* 1/(1 + e^-x); 0 where this is subnormal, so that x times it is 0, too, for the most negative x */
INLINE float logistic(float x)
{
    return x < -88.0f ? 0.0f : 1 / (1 + exponential(-x));
}

/* tanh(x) = (e^2x - 1)/(e^2x + 1), for -|x|, so that no power is large */
INLINE float hyperbolic_tangent(float x)
{
    float e = exponential_minus_one(-2 * fabsf(x));
    return copysignf(e / (e + 2), x);
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
