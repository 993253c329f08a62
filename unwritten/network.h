/* model: a network of 2 layers, model e4177920aef1f2e3, written by chainrule 1.0.0, 376c9f21281c97ac */
/* SPDX-License-Identifier: MIT */
#ifndef NETWORK_H
#define NETWORK_H


#ifdef __cplusplus
extern "C" {
#endif

/* An image is stored channel by channel, with rows from top to bottom.
   Units of the training data: values as the first layer reads them, in a range that is not recorded. */
#define NETWORK_CHANNELS 2
#define NETWORK_HEIGHT 1
#define NETWORK_WIDTH 1
#define NETWORK_INPUTS 2
#define NETWORK_OUTPUTS 2
#define NETWORK_CLASSES 2
#define NETWORK_HASH "376c9f21281c97ac" /* of the source in network.c after its first line */

/* Bytes of constants and of the names of classes (flash), of the arena and of static variables (RAM), and of RAM with
   the input and the outputs. No memory is allocated: the functions use only their arguments and the stack. */
#define NETWORK_CONSTANT_BYTES 264
#define NETWORK_NAME_BYTES (4 + NETWORK_CLASSES * (int)sizeof(char *))
#define NETWORK_ARENA_BYTES 144
#define NETWORK_STATIC_BYTES 0
#define NETWORK_RAM_BYTES (NETWORK_ARENA_BYTES + NETWORK_STATIC_BYTES + \
    (NETWORK_INPUTS + NETWORK_OUTPUTS) * (int)sizeof(float))

/* The input is the next samples of a stream. The arena begins with NETWORK_STATE_BYTES of state: fill it with zeros
   before the first call, and leave it unchanged between calls. */
#define NETWORK_STATE_BYTES 128

/* Layers: multiply-adds, and bytes, of a build without vectors.
           multiply-adds  flash  RAM  result at
   x                   0      0    0    outputs
   dense1             64    264    0    outputs
   total              64    276  932
   flash: constants and 12 bytes of names; code comes on top
   RAM: arena 144, input and outputs 16, stack at most 772 bytes */
#define NETWORK_MULTIPLY_ADDS 64
#define NETWORK_STACK_BYTES 772

extern const char *const network_classes[NETWORK_CLASSES];

/* Compute the NETWORK_OUTPUTS outputs for an image of NETWORK_INPUTS numbers. The arena is an array of
   NETWORK_ARENA_BYTES / sizeof(float) floats with any content; calls at the same time require different arenas. */
void network_run(float *arena, const float *image, float *outputs);

/* Fill the image with a pattern, run the network, and return 1 if the outputs are those recorded at export up to
   rounding; else 0. The pattern: bytes x >> 24 of x = 1664525 x + 1013904223 (32 bits, first 1664525 + 1013904223), in
   the units of the training data. */
int network_selftest(float *arena, float *image, float *outputs);

/* Return the index of the class that the outputs mean: that of the largest output. */
int network_class(const float *outputs);

#ifdef __cplusplus
}
#endif
#endif
