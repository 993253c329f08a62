int ${name}_selftest(float *arena, $number *image, $number *outputs)
{
    static const $number recorded[] = {$recorded};
    uint32_t state = 1;
$reset    for (int k = 0; k < ${guard}_INPUTS; k++) {
        state = state * 1664525u + 1013904223u;
        image[k] = ($number)((int)(state >> 24) - $first);
    }
$scaled
    ${name}_run(arena, image, outputs);
$end_calls    for (int k = 0; k < $count; k++) {
        float output = (float)outputs[k * $stride], expected = (float)recorded[k], difference = output - expected;
        int is_near = difference >= -$tolerance && difference <= $tolerance; /* 0 for NaN and infinity */
        int is_same = output == expected || (output != output && expected != expected);
        if (!is_near && !is_same)
            return 0;
    }
    return 1;
}
