static float arena[${guard}_ARENA_BYTES / sizeof(float)];
static $number image[${guard}_INPUTS];

/* Return the next number of the input; white space separates numbers. Print text that is not a number, such as one of
   which a character was lost. */
static float read_number(void)
{
    char text[32], *end;
    float number;
    unsigned length = 0;
    int letter = ' ';
    while (letter <= ' ')
        letter = read_character();
    for (; letter > ' '; letter = read_character())
        if (length < sizeof text - 1)
            text[length++] = (char)letter;
    text[length] = 0;
    number = (float)strtod(text, &end);
    if (*end)
        show(text, number, " (not a number)");
    return number;
}

/* Read an input of ${guard}_INPUTS numbers as text: $units, $order. Print $printed.
   Send the next input after that, since characters that arrive while the network runs can be lost. */
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
