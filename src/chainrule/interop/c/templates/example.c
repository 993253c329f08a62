/* Read an image (PGM or PPM, bytes$divided) of the network's size and print $printed; $mark.
   `chainrule predict RUN IMAGE --inputs FOLDER` converts other images to this form. */
#include <math.h>
#include <stdio.h>

#include "${name}.h"

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

/* Read the file into `image`. Return 0 if it is not a PGM or PPM image of the network's size. */
static int read_image(FILE *file)
{
    int channels, height, width, maximum, format;
    if (getc(file) != 'P')
        return 0;
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

int main(int count, char **arguments)
{
    float outputs[${guard}_OUTPUTS];
$integers    FILE *file;
    if (count != 2) {
        fprintf(stderr, "usage: %s IMAGE.pgm|IMAGE.ppm\n", count ? arguments[0] : "example");
        return 2;
    }
    file = fopen(arguments[1], "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s\n", arguments[1]);
        return 2;
    }
    if (!read_image(file)) {
        fprintf(stderr, "%s: expected a PGM or PPM file of %d x %d x %d bytes\n", arguments[1], ${guard}_CHANNELS,
                ${guard}_HEIGHT, ${guard}_WIDTH);
        return 2;
    }
    fclose(file);
    ${name}_run(image, $real);
$convert$report
    return 0;
}
