/* Read an input and print $printed; $mark.
   The input is a PGM or PPM image of the network's size (bytes$divided), or all numbers as text:
   $units, $order.
   `chainrule predict RUN IMAGE --inputs FOLDER` converts other images to PGM or PPM. */
/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "${name}.h"

static float arena[${guard}_ARENA_BYTES / sizeof(float)];
static $number image[${guard}_INPUTS];

/* Return the next number in the header after white space and comments; -1 if there is none. */
static int header_number(FILE *file)
{
    int letter = getc(file), number = -1;
    while (letter == ' ' || letter == '\n' || letter == '\r' || letter == '\t' || letter == '#') {
        while (letter == '#' && letter != '\n' && letter != EOF)
            do
                letter = getc(file);
            while (letter != '\n' && letter != EOF);
        letter = getc(file);
    }
    for (; letter >= '0' && letter <= '9' && number < 100000; letter = getc(file))
        number = (number < 0 ? 0 : number) * 10 + letter - '0';
    return number;
}

/* Read numbers, separated by white space, into `image`. Return 0 if there are too few. */
static int read_numbers(FILE *file)
{
    float real;
    for (int k = 0; k < ${guard}_INPUTS; k++) {
        if (fscanf(file, "%f", &real) != 1)
            return 0;
        image[k] = $pixel;
    }
    return 1;
}

/* Read the file into `image`. Return 0 if it has neither an image of the network's size nor enough numbers. */
static int read_input(FILE *file)
{
    int channels, height, width, maximum, format;
    if (getc(file) != 'P') {
        rewind(file);
        return read_numbers(file);
    }
    format = getc(file);
    channels = format == '5' ? 1 : format == '6' ? 3 : 0;
    width = header_number(file);
    height = header_number(file);
    maximum = header_number(file);
    if (channels != ${guard}_CHANNELS || height != ${guard}_HEIGHT || width != ${guard}_WIDTH || maximum != 255)
        return 0;
    for (int p = 0; p < height * width; p++)
        for (int c = 0; c < channels; c++) {
            int value = getc(file);
            if (value == EOF)
                return 0;
            float real = (float)value$scale;
            image[$place] = $pixel;
        }
    return 1;
}

static void show(const char *name, float output, const char *note)
{
    printf("%s %g%s\n", name, (double)output, note);
}

int main(int count, char **arguments)
{
    float outputs[${guard}_OUTPUTS];
$integers    FILE *file;
    if (count == 2 && strcmp(arguments[1], "--selftest") == 0) {
        int passed = ${name}_selftest(arena, image, $real);
        puts(passed ? "passed" : "failed");
        return !passed;
    }
    if (count != 2) {
        fprintf(stderr, "usage: %s IMAGE.pgm|IMAGE.ppm|NUMBERS.txt|--selftest\n", count ? arguments[0] : "example");
        return 2;
    }
    file = fopen(arguments[1], "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s\n", arguments[1]);
        return 2;
    }
    if (!read_input(file)) {
        fprintf(stderr, "%s: expected a PGM or PPM file of %d x %d x %d bytes, or %d numbers as text\n", arguments[1],
                ${guard}_CHANNELS, ${guard}_HEIGHT, ${guard}_WIDTH, ${guard}_INPUTS);
        return 2;
    }
$repeat    ${name}_run(arena, image, $real);
$convert$report_outputs
$end_repeat    fclose(file);
    return 0;
}
