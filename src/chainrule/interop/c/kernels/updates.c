/* Return whether all numbers are finite, by their bits: with -ffast-math, compilers assume that floats are finite */
static int all_finite(const float *x, int count)
{
    int result = 1;
    for (int e = 0; e < count; e++) {
        float_bits number = {x[e]};
        result &= (number.bits & 0x7f800000u) != 0x7f800000u;
    }
    return result;
}

/* p <- (1 - rate decay) p - rate g */
static void sgd_update(float *p, const float *g, int count, float rate, float decay)
{
    for (int e = 0; e < count; e++)
        p[e] = (1 - rate * decay) * p[e] - rate * g[e];
}

/* v <- momentum v + h, p <- p - rate v, or for Nesterov p <- p - rate (h + momentum v)   h = g + decay p */
static void momentum_update(float *p, const float *g, float *v, int count, float rate, float momentum, int nesterov,
                            float decay)
{
    for (int e = 0; e < count; e++) {
        float h = g[e] + decay * p[e];
        v[e] = momentum * v[e] + h;
        p[e] -= rate * (nesterov ? h + momentum * v[e] : v[e]);
    }
}
