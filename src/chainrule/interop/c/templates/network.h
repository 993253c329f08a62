/* $title */
#ifndef ${guard}_H
#define ${guard}_H

/* An image is stored channel by channel, with rows from top to bottom, in the units of the training data:
   $units. */
#define ${guard}_CHANNELS $channels
#define ${guard}_HEIGHT $height
#define ${guard}_WIDTH $width
#define ${guard}_INPUTS $inputs
#define ${guard}_OUTPUTS $outputs
#define ${guard}_CLASSES $classes
$ports
/* Bytes of constants (flash) and of activations (RAM). No memory is allocated: the functions use only static arrays and
   the stack. */
#define ${guard}_CONSTANT_BYTES $constant_bytes
#define ${guard}_ARENA_BYTES $arena_bytes
$more
extern const char *const ${name}_classes[${guard}_CLASSES];

/* Compute the ${guard}_OUTPUTS outputs for an image of ${guard}_INPUTS numbers. Not thread-safe: activations are static. */
void ${name}_run(const float *image, float *outputs);
$functions
#endif
