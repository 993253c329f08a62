/* Transposition of matrices, and packing of their rows into panels.
 *
 * A panel has one or two vectors of rows of a matrix, transposed, so that a tile reads it from start to end: element
 * (r, c) is panel[c width + r]. */
#ifndef CHAINRULE_TRANSPOSING_H
#define CHAINRULE_TRANSPOSING_H

#include "kernel.h"

/* Rows of consecutive matrices: element (m, r, c) is values[(m rows + r) step + c]. */
typedef struct {
    const real *values;
    int64_t matrices, rows, columns, step;
} Rows;

/* y[b along + a] = x[a step + b] for a < rows, b < columns */
void NAME(transpose_matrix)(const real *x, int64_t step, int64_t rows, int64_t columns, real *y, int64_t along);

/* y[r along + c] = x[r step + c] for r < rows, c < columns */
INLINE void copy_matrix(const real *x, int64_t step, int64_t rows, int64_t columns, real *y, int64_t along)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) y[r * along + c] = x[r * step + c];
}

/* Pack `width` rows from row `first` on, with the columns of all matrices one after the other. The last row is repeated
 * where there are fewer rows. Up to LANES · width elements after the panel may be overwritten. */
void NAME(pack_panel)(Rows rows, int64_t first, int64_t width, real *panel);

/* Pack all rows into panels of two vectors of rows, and perhaps a last one of a single vector. */
void NAME(pack)(Rows rows, real *panels);

/* dw[o, k] += sums[k, o] for `taps` rows of `width` filters. */
void NAME(add_transposed)(const real *sums, int64_t width, int64_t taps, real *dw, int64_t filters);

#endif
