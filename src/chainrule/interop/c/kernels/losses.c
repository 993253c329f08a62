/* loss = 1/2 sum over k of (p[k] - t[k])^2 */
static void half_squared_error(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++)
        *loss += 0.5f * (p[k] - t[k]) * (p[k] - t[k]);
}

/* loss = 1/K sum over k of (p[k] - t[k])^2 */
static void mean_squared_error(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++)
        *loss += (p[k] - t[k]) * (p[k] - t[k]) / (float)count;
}

/* loss = 1/K sum over k of |p[k] - t[k]| */
static void mean_absolute_error(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++)
        *loss += fabsf(p[k] - t[k]) / (float)count;
}

/* dp[k] = 1/K sgn(p[k] - t[k]), where sgn(0) = 0 */
static void mean_absolute_error_dp(const float *p, const float *t, float *dp, int count)
{
    for (int k = 0; k < count; k++) {
        float e = p[k] - t[k];
        dp[k] = (e > 0 ? 1 : e < 0 ? -1 : e) / (float)count;
    }
}

/* e clamped to [-1, 1] */
static float clamp_to_one(float e)
{
    return e < -1 ? -1 : e > 1 ? 1 : e;
}

/* loss = 1/K sum over k of s (e - s/2)   e = p[k] - t[k], s: e clamped to [-1, 1] */
static void huber(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++) {
        float e = p[k] - t[k], s = clamp_to_one(e);
        *loss += s * (e - s / 2) / (float)count;
    }
}

/* p clamped to [epsilon, maximum], where the logarithm is finite   epsilon = 2^-23 */
static float clamp_probability(float p, float maximum)
{
    return p < 0x1p-23f ? 0x1p-23f : p > maximum ? maximum : p;
}

/* loss = -1/K sum over k of t[k] log q[k] + (1 - t[k]) log(1 - q[k])   q: p clamped to [epsilon, 1 - epsilon] */
static void binary_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++) {
        float q = clamp_probability(p[k], 1 - 0x1p-23f);
        *loss -= (t[k] * logf(q) + (1 - t[k]) * logf(1 - q)) / (float)count;
    }
}

/* log(1 + e^x) */
static float surprise(float x)
{
    return (x > 0 ? x : 0) + log1pf(exponential(-fabsf(x)));
}

/* loss = 1/K sum over k of t[k] log(1 + e^-p[k]) + (1 - t[k]) log(1 + e^p[k]) */
static void sigmoid_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++)
        *loss += (t[k] * surprise(-p[k]) + (1 - t[k]) * surprise(p[k])) / (float)count;
}

/* loss = -sum over k of t[k] log q[k]   q: p clamped to [epsilon, 1] */
static void categorical_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++)
        *loss -= t[k] * logf(clamp_probability(p[k], 1));
}

/* loss = -1/K sum over k of t[k] (1 - q[k])^2 log q[k] + (1 - t[k]) q[k]^2 log(1 - q[k])   q: p clamped */
static void binary_focal_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++) {
        float q = clamp_probability(p[k], 1 - 0x1p-23f), r = 1 - q;
        *loss -= (t[k] * r * r * logf(q) + (1 - t[k]) * q * q * logf(r)) / (float)count;
    }
}

/* loss = -sum over k of t[k] (1 - q[k])^2 log q[k]   q: p clamped to [epsilon, 1] */
static void categorical_focal_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++) {
        float q = clamp_probability(p[k], 1);
        *loss -= t[k] * (1 - q) * (1 - q) * logf(q);
    }
}

/* loss = 1/K sum over k of t[k] r^2 log(1 + e^-p[k]) + (1 - t[k]) y^2 log(1 + e^p[k])   y, r: sigmoid of p[k] and -p[k] */
static void sigmoid_focal_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    *loss = 0;
    for (int k = 0; k < count; k++) {
        float y = logistic(p[k]), r = logistic(-p[k]);
        *loss += (t[k] * r * r * surprise(-p[k]) + (1 - t[k]) * y * y * surprise(p[k])) / (float)count;
    }
}

/* loss = 1 - 1/K sum over k of (2 p[k] t[k] + 1)/(p[k] + t[k] + 1) */
static void dice(const float *p, const float *t, float *loss, int count)
{
    *loss = 1;
    for (int k = 0; k < count; k++)
        *loss -= (2 * p[k] * t[k] + 1) / (p[k] + t[k] + 1) / (float)count;
}

/* dp[k] = 1/K ((2 p[k] t[k] + 1)/(p[k] + t[k] + 1)^2 - 2 t[k]/(p[k] + t[k] + 1)) */
static void dice_dp(const float *p, const float *t, float *dp, int count)
{
    for (int k = 0; k < count; k++) {
        float areas = p[k] + t[k] + 1;
        dp[k] = ((2 * p[k] * t[k] + 1) / areas - 2 * t[k]) / areas / (float)count;
    }
}

/* Returns log(sum over k of e^p[k]). */
static float log_sum(const float *p, int count)
{
    float maximum = p[0], total = 0;
    for (int k = 1; k < count; k++)
        maximum = p[k] > maximum ? p[k] : maximum;
    for (int k = 0; k < count; k++)
        total += expf(p[k] - maximum);
    return maximum + logf(total);
}

/* loss = sum over k of t[k] (L - p[k])   L = log(sum over k of e^p[k]) */
static void softmax_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    float level = log_sum(p, count);
    *loss = 0;
    for (int k = 0; k < count; k++)
        *loss += t[k] * (level - p[k]);
}

/* dp[k] = softmax(p)[k] (sum over l of t[l]) - t[k] */
static void softmax_cross_entropy_dp(const float *p, const float *t, float *dp, int count)
{
    float total = 0;
    softmax(p, dp, count, 1);
    for (int k = 0; k < count; k++)
        total += t[k];
    for (int k = 0; k < count; k++)
        dp[k] = dp[k] * total - t[k];
}

/* loss = sum over k of t[k] (1 - y)^2 (L - p[k])   L = log(sum over k of e^p[k]), y = e^(p[k] - L) */
static void softmax_focal_cross_entropy(const float *p, const float *t, float *loss, int count)
{
    float level = log_sum(p, count);
    *loss = 0;
    for (int k = 0; k < count; k++) {
        float r = 1 - expf(p[k] - level);
        *loss += t[k] * r * r * (level - p[k]);
    }
}

/* dp[k] = y (sum over l of a[l]) - a[k]   a = t (1 - y) (1 - y - 2 y log y), y = softmax(p) */
static void softmax_focal_cross_entropy_dp(const float *p, const float *t, float *dp, int count)
{
    float level = log_sum(p, count), total = 0;
    for (int k = 0; k < count; k++) {
        float y = expf(p[k] - level);
        dp[k] = t[k] * (1 - y) * (1 - y + 2 * y * (level - p[k]));
        total += dp[k];
    }
    for (int k = 0; k < count; k++)
        dp[k] = expf(p[k] - level) * total - dp[k];
}

/* t[k] = 1 where k is the label, else 0 */
static void one_hot(int label, float *t, int count)
{
    for (int k = 0; k < count; k++)
        t[k] = k == label;
}
