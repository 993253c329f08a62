/* y = 1/(1 + e^-x) */
static void sigmoid(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = logistic(x[e]);
}

/* dx = dy y (1 - y) */
static void sigmoid_dx(const float *dy, const float *y, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = dy[e] * y[e] * (1 - y[e]);
}

/* y = tanh(x) */
static void tanh_(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = hyperbolic_tangent(x[e]);
}

/* dx = dy (1 - y^2) */
static void tanh_dx(const float *dy, const float *y, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = dy[e] * (1 - y[e] * y[e]);
}

/* y = arctan(x) */
static void arctan(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = atanf(x[e]);
}

/* dx = dy / (1 + x^2) */
static void arctan_dx(const float *dy, const float *x, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = dy[e] / (1 + x[e] * x[e]);
}

/* y = max(0, x) */
static void relu(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] <= 0 ? 0 : x[e];
}

/* dx = dy where y > 0, else 0 */
static void relu_dx(const float *dy, const float *y, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = y[e] <= 0 ? 0 : dy[e];
}

/* y = x where x > 0, else slope x */
static void leaky_relu(const float *x, float *y, int count, float slope)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] <= 0 ? slope * x[e] : x[e];
}

/* dx = dy where x > 0, else slope dy */
static void leaky_relu_dx(const float *dy, const float *x, float *dx, int count, float slope)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = x[e] <= 0 ? slope * dy[e] : dy[e];
}

/* y = x/2 (1 + tanh a)   a = sqrt(2/pi) (x + 0.044715 x^3) */
static void gelu(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = 0.5f * x[e] * (1 + hyperbolic_tangent(0.7978845608f * (x[e] + 0.044715f * x[e] * x[e] * x[e])));
}

/* dx = dy ((1 + t)/2 + x/2 (1 - t^2) a')   t = tanh a, a' = sqrt(2/pi) (1 + 3 0.044715 x^2) */
static void gelu_dx(const float *dy, const float *x, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++) {
        float square = x[e] * x[e], t = hyperbolic_tangent(0.7978845608f * x[e] * (1 + 0.044715f * square));
        float slope = 0.7978845608f * (1 + 3 * 0.044715f * square);
        dx[e] = dy[e] * (0.5f * (1 + t) + (t * t == 1 ? 0 : 0.5f * x[e] * (1 - t * t) * slope));
    }
}

/* y = x P(x)   P: the cumulative distribution function of the standard normal distribution */
static void exact_gelu(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] * normal_distribution(x[e]);
}

/* dx = dy (P(x) + x p(x))   p(x) = e^(-x^2/2)/sqrt(2 pi), the derivative of P */
static void exact_gelu_dx(const float *dy, const float *x, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = dy[e] * (normal_distribution(x[e]) + x[e] * 0.3989422804f * exponential(-0.5f * x[e] * x[e]));
}

/* y = min(max(x, low), high) */
static void clip(const float *x, float *y, int count, float low, float high)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] <= low ? low : x[e] >= high ? high : x[e];
}

/* dx = dy where low < x < high, else 0 */
static void clip_dx(const float *dy, const float *x, float *dx, int count, float low, float high)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = x[e] <= low || x[e] >= high ? 0 : dy[e];
}

/* y = x s   s = 1/(1 + e^-x) */
static void silu(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] * logistic(x[e]);
}

/* dx = dy s (1 + x (1 - s))   s = 1/(1 + e^-x) */
static void silu_dx(const float *dy, const float *x, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = dy[e] * logistic(x[e]) * (1 + x[e] * (1 - logistic(x[e])));
}

/* y = min(max(x + 3, 0), 6) / 6 */
static void hard_sigmoid(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] <= -3 ? 0 : x[e] >= 3 ? 1 : (x[e] + 3) / 6;
}

/* dx = dy / 6 where -3 < x < 3, else 0 */
static void hard_sigmoid_dx(const float *dy, const float *x, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = x[e] <= -3 || x[e] >= 3 ? 0 : dy[e] / 6;
}

/* y = x min(max(x + 3, 0), 6) / 6 */
static void hard_swish(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] <= -3 ? 0 : x[e] >= 3 ? x[e] : x[e] * (x[e] + 3) / 6;
}

/* dx = dy (2 x + 3) / 6 where -3 < x < 3, else dy where x >= 3, else 0 */
static void hard_swish_dx(const float *dy, const float *x, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = x[e] <= -3 ? 0 : x[e] >= 3 ? dy[e] : dy[e] * ((2 * x[e] + 3) / 6);
}

/* y = x where x > 0, else alpha (e^x - 1) */
static void elu(const float *x, float *y, int count, float alpha)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] > 0 ? x[e] : alpha * exponential_minus_one(x[e]);
}

/* dx = dy where x > 0, else dy alpha e^x */
static void elu_dx(const float *dy, const float *x, float *dx, int count, float alpha)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = x[e] > 0 ? dy[e] : dy[e] * (alpha * exponential(x[e]));
}

/* y = log(1 + e^x), computed as x + log(1 + e^-x) for x > 0, where e^x could overflow */
static void softplus(const float *x, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = x[e] > 0 ? x[e] + log1pf(exponential(-x[e])) : log1pf(exponential(x[e]));
}

/* dx = dy s   s = 1/(1 + e^-x) */
static void softplus_dx(const float *dy, const float *x, float *dx, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        dx[e] = dy[e] * logistic(x[e]);
}

/* y[k] = e^(x[k] - m) / sum over l of e^(x[l] - m)   m = max over l of x[l]
   k, l: channels, at each position of the plane */
static void softmax(const float *x, float *y, int channels, int plane)
{
    for (int p = 0; p < plane; p++) {
        float maximum = x[p], total = 0;
        for (int k = 1; k < channels; k++)
            maximum = x[k * plane + p] > maximum ? x[k * plane + p] : maximum;
        for (int k = 0; k < channels; k++)
            total += y[k * plane + p] = exponential(x[k * plane + p] - maximum);
        for (int k = 0; k < channels; k++)
            y[k * plane + p] /= total;
    }
}

/* dx[k] = y[k] (dy[k] - sum over l of dy[l] y[l])   k, l: channels, at each position of the plane */
static void softmax_dx(const float *dy, const float *y, float *dx, int channels, int plane)
{
    for (int p = 0; p < plane; p++) {
        float total = 0;
        for (int k = 0; k < channels; k++)
            total += dy[k * plane + p] * y[k * plane + p];
        for (int k = 0; k < channels; k++)
            dx[k * plane + p] = y[k * plane + p] * (dy[k * plane + p] - total);
    }
}
