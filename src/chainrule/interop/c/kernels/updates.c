/* Return whether the loss and all gradients are finite. If not, the step is skipped. 0 times infinity or NaN is NaN. */
static int all_finite(const float *g, int count, float loss)
{
    float zero = loss * 0;
    for (int e = 0; e < count; e++)
        zero += g[e] * 0;
    return zero == 0;
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
