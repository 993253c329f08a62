/* $title, model $identity, $mark */
/* SPDX-License-Identifier: MIT */
#ifndef ${guard}_H
#define ${guard}_H

$include
#ifdef __cplusplus
extern "C" {
#endif

/* An image is stored $order.
   Units of the training data: $units. */
#define ${guard}_CHANNELS $channels
#define ${guard}_HEIGHT $height
#define ${guard}_WIDTH $width
#define ${guard}_INPUTS $inputs
#define ${guard}_OUTPUTS $outputs
#define ${guard}_CLASSES $classes
#define ${guard}_HASH "$digest" /* of the source in ${name}.c after its first line */
$ports
/* Bytes of constants and of the names of classes (flash), of the arena and of static variables (RAM), and of RAM with
   the input and the outputs. No memory is allocated: the functions use only their arguments$statics and the stack. */
#define ${guard}_CONSTANT_BYTES $constant_bytes
#define ${guard}_NAME_BYTES ($name_bytes + ${guard}_CLASSES * (int)sizeof(char *))
#define ${guard}_ARENA_BYTES $arena_bytes
#define ${guard}_STATIC_BYTES $static_bytes
#define ${guard}_RAM_BYTES (${guard}_ARENA_BYTES + ${guard}_STATIC_BYTES + \
    (${guard}_INPUTS + ${guard}_OUTPUTS) * (int)sizeof($number))
$more$stream$report$scales
extern const char *const ${name}_classes[${guard}_CLASSES];

/* Compute the ${guard}_OUTPUTS outputs for an image of ${guard}_INPUTS numbers. The arena is an array of
   ${guard}_ARENA_BYTES / sizeof(float) floats with any content, except the state of a stream; calls at the same time
   require different arenas. */
void ${name}_run(float *arena, const $number *image, $number *outputs);

/* Fill the image with a pattern, run the network, and return 1 if the outputs are those recorded at export up to
   rounding; else 0. The pattern: bytes x >> 24 of x = 1664525 x + 1013904223 (32 bits, first 1664525 + 1013904223), in
   the units of the training data. */
int ${name}_selftest(float *arena, $number *image, $number *outputs);
$functions
#ifdef __cplusplus
}
#endif
#endif
