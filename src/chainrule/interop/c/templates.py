"""Files that come with a C program: header, example, build files."""

from string import Template

HEADER = Template(
    """/* $title */
#ifndef ${guard}_H
#define ${guard}_H

/* An image: its channels one after the other, rows from top to bottom, in the units of the training data$units. */
#define ${guard}_CHANNELS $channels
#define ${guard}_HEIGHT $height
#define ${guard}_WIDTH $width
#define ${guard}_INPUTS $inputs
#define ${guard}_OUTPUTS $outputs
#define ${guard}_CLASSES $classes

/* Bytes of constants (flash) and of memory (RAM), which is all that the functions use besides the stack. */
#define ${guard}_CONSTANT_BYTES $constant_bytes
#define ${guard}_ARENA_BYTES $arena_bytes
$more
extern const char *const ${name}_classes[${guard}_CLASSES];

/* Compute the ${guard}_OUTPUTS outputs of an image of ${guard}_INPUTS entries. Not for two threads at the same time. */
void ${name}_run(const float *image, float *outputs);
$functions
#endif
"""
)

EXAMPLE = Template(
    r"""/* Read an image (PGM or PPM, bytes) of the network's size and print $printed; $mark. */
#include <stdio.h>

#include "${name}.h"

static float image[${guard}_INPUTS];

/* The next number of the header, after spaces and comments; -1 where there is none. */
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

/* Fill `image`; 0 where the file is not what it should be. */
static int read_image(FILE *file)
{
    int channels, height, width, most, kind;
    if (getc(file) != 'P')
        return 0;
    kind = getc(file);
    channels = kind == '5' ? 1 : kind == '6' ? 3 : 0;
    width = header_number(file);
    height = header_number(file);
    most = header_number(file);
    if (channels != ${guard}_CHANNELS || height != ${guard}_HEIGHT || width != ${guard}_WIDTH || most != 255)
        return 0;
    for (int p = 0; p < height * width; p++)
        for (int c = 0; c < channels; c++) {
            int value = getc(file);
            if (value == EOF)
                return 0;
            image[c * height * width + p] = (float)value$scale;
        }
    return 1;
}

int main(int count, char **arguments)
{
    float outputs[${guard}_OUTPUTS];
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file || !read_image(file)) {
        fprintf(stderr, "expected a PGM or PPM file of %d x %d x %d bytes\n", ${guard}_CHANNELS, ${guard}_HEIGHT,
                ${guard}_WIDTH);
        return 2;
    }
    fclose(file);
    ${name}_run(image, outputs);
$report
    return 0;
}
"""
)

# What the example prints, by the task: its comment, and its statements.
REPORTS = {
    "class": (
        "its class",
        r"""    int best = 0;
    for (int k = 1; k < ${guard}_OUTPUTS; k++)
        best = outputs[k] > outputs[best] ? k : best;
    printf("%s %g\n", ${name}_classes[best], (double)outputs[best]);""",
    ),
    "yes or no": ("its class", r"""    printf("%s %g\n", ${name}_classes[outputs[0] >= 0.5f], (double)outputs[0]);"""),
    "all": (
        "all outputs",
        r"""    for (int k = 0; k < ${guard}_OUTPUTS; k++)
        printf("%s %g\n", $output_name, (double)outputs[k]);""",
    ),
}

MAKEFILE = Template(
    """# `make` builds the example, with CFLAGS for this machine; $mark.
# With -ffp-contract=fast a product and a sum are one instruction, as they are without -std=c99.
CFLAGS ?= -O3 -march=native
CFLAGS += -std=c99 -Wall -Wextra -pedantic -ffp-contract=fast

example: example.c ${name}.c ${name}.h
	$$(CC) $$(CFLAGS) example.c ${name}.c -o example -lm

clean:
	rm -f example

.PHONY: clean
"""
)

CMAKE = Template(
    """# The network as a library, and the example; $mark.
cmake_minimum_required(VERSION 3.10)
project(${name} C)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_EXTENSIONS OFF)
add_library(${name} STATIC ${name}.c)
target_include_directories(${name} PUBLIC $${CMAKE_CURRENT_SOURCE_DIR})
if(CMAKE_C_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(${name} PRIVATE -O3 -ffp-contract=fast -Wall -Wextra -pedantic)
endif()
target_link_libraries(${name} PUBLIC $$<$$<NOT:$$<BOOL:$${MSVC}>>:m>)
add_executable(example example.c)
target_link_libraries(example PRIVATE ${name})
"""
)
