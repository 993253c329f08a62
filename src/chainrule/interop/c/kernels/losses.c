/* dp[k] = 1/K ((2 p[k] t[k] + 1)/(p[k] + t[k] + 1)^2 - 2 t[k]/(p[k] + t[k] + 1)) */
static void dice_dp(const float *p, const float *t, float *dp, int count)
{
    for (int k = 0; k < count; k++) {
        float areas = p[k] + t[k] + 1;
        dp[k] = ((2 * p[k] * t[k] + 1) / areas - 2 * t[k]) / areas / (float)count;
    }
}

/* t[k] = 1 where k is the label, else 0 */
static void one_hot(int label, float *t, int count)
{
    for (int k = 0; k < count; k++)
        t[k] = k == label;
}
