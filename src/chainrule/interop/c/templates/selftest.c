int ${name}_selftest(float *arena, $number *image, $number *outputs)
{
    static const $number recorded[] = {$recorded};
    uint32_t state = 1;
    for (int k = 0; k < ${guard}_INPUTS; k++) {
        state = state * 1664525u + 1013904223u;
        image[k] = ($number)((int)(state >> 24) - $first);
    }
$scaled
    ${name}_run(arena, image, outputs);
    for (int k = 0; k < $count; k++) {
        float difference = (float)(outputs[k * $stride] - recorded[k]);
        if (!(difference >= -$tolerance && difference <= $tolerance)) /* also true for NaN */
            return 0;
    }
    return 1;
}
