/* Batches of normalized samples, which are copied, converted and scaled in one pass. */
#include "kernel.h"

/* out[k] = ((x[rows[k]] − origin) − rest) · gain for k from `first` to `last` − 1: x (samples, elements) of bytes or
 * reals, rows (K) of int32, out (K, elements), and the others of all elements, (1), or of each channel, (C). As in
 * NumPy, the first difference is rounded before the rest is subtracted: origin and rest must not be added. */
KERNEL(normalized)
{
    const uint8_t *bytes = arrays[0].at;
    const real *x = arrays[0].at, *origin = arrays[3].at, *rest = arrays[4].at, *gain = arrays[5].at;
    const int32_t *rows = arrays[1].at;
    int64_t elements = arrays[2].shape[1], channels = arrays[5].shape[0], cells = elements / channels;
    for (int64_t k = numbers[0].i; k < numbers[1].i; k++) {
        for (int64_t c = 0; c < channels; c++) {
            int64_t begin = rows[k] * elements + c * cells;
            real *out = (real *)arrays[2].at + k * elements + c * cells;
            real zero = origin[c], r = rest[c], factor = gain[c];
            if (numbers[2].i) {
                for (int64_t e = 0; e < cells; e++) out[e] = (bytes[begin + e] - zero - r) * factor;
            } else {
                for (int64_t e = 0; e < cells; e++) out[e] = (x[begin + e] - zero - r) * factor;
            }
        }
    }
    return DONE;
}
