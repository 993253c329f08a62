/* Mix a value into a key: apply the finalizer of SplitMix64 to key + (value + 1) 0x9E3779B97F4A7C15 */
static uint64_t mix(uint64_t key, uint64_t value)
{
    uint64_t z = key + value * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* y[e] = x[e] scale where the random number of element e is at least the threshold, else 0   scale = 1/(1 - rate)
   Random numbers have 53 bits and depend only on seed, stream (layer), step and element; threshold = rate 2^53 */
static void dropout(const float *x, float *y, int count, float scale, uint64_t threshold, uint64_t seed,
                    uint64_t stream, uint64_t step)
{
    uint64_t key = mix(mix(mix(seed, stream), step), 0);
    for (int e = 0; e < count; e++)
        y[e] = mix(key, (uint64_t)e) >> 11 >= threshold ? x[e] * scale : 0;
}
