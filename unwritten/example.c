/* Read an input and print its class; written by chainrule 1.0.0, 376c9f21281c97ac.
   The input is a PGM or PPM image of the network's size (bytes), or all numbers as text:
   values as the first layer reads them, in a range that is not recorded, channel by channel, with rows from top to bottom.
   `chainrule predict RUN IMAGE --inputs FOLDER` converts other images to PGM or PPM. */
/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network.h"

static float arena[NETWORK_ARENA_BYTES / sizeof(float)];
static float image[NETWORK_INPUTS];

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
    for (int k = 0; k < NETWORK_INPUTS; k++) {
        if (fscanf(file, "%f", &real) != 1)
            return 0;
        image[k] = real;
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
    if (channels != NETWORK_CHANNELS || height != NETWORK_HEIGHT || width != NETWORK_WIDTH || maximum != 255)
        return 0;
    for (int p = 0; p < height * width; p++)
        for (int c = 0; c < channels; c++) {
            int value = getc(file);
            if (value == EOF)
                return 0;
            float real = (float)value;
            image[c * height * width + p] = real;
        }
    return 1;
}

int main(int count, char **arguments)
{
    float outputs[NETWORK_OUTPUTS];
    FILE *file;
    if (count == 2 && strcmp(arguments[1], "--selftest") == 0) {
        int passed = network_selftest(arena, image, outputs);
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
                NETWORK_CHANNELS, NETWORK_HEIGHT, NETWORK_WIDTH, NETWORK_INPUTS);
        return 2;
    }
    do {
    network_run(arena, image, outputs);
    int best = network_class(outputs);
    printf("%s %g\n", network_classes[best], (double)outputs[best]);
    } while (read_numbers(file));
    fclose(file);
    return 0;
}
