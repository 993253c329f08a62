static float arena[${guard}_ARENA_BYTES / sizeof(float)];
static $number image[${guard}_INPUTS];

/* Return the next number of the input; white space separates numbers. */
static float read_number(void)
{
    char text[32];
    unsigned length = 0;
    int letter = ' ';
    while (letter <= ' ')
        letter = read_character();
    for (; letter > ' '; letter = read_character())
        if (length < sizeof text - 1)
            text[length++] = (char)letter;
    text[length] = 0;
    return (float)strtod(text, 0);
}

/* Read an input of ${guard}_INPUTS numbers as text: $units, $order. Print $printed. */
static void classify(void)
{
    static float outputs[${guard}_OUTPUTS];
$integers    for (int k = 0; k < ${guard}_INPUTS; k++) {
        float real = read_number();
        image[k] = $pixel;
    }
    ${name}_run(arena, image, $real);
$convert$report_outputs
}
