/* Transposition of matrices, and packing of rows into panels. */
#include "transposing.h"
#include "tiles.h"

enum { TAPS_PER_BLOCK = 256 }; /* taps whose sums are transposed and added at a time, for a vector of filters */

/* Square blocks are transposed in registers, and the last one may overlap the one before it. A matrix that is narrower
 * than a block is copied to one, and a matrix that is smaller in both directions is transposed element by element. */
void NAME(transpose_matrix)(const real *x, int64_t step, int64_t rows, int64_t columns, real *y, int64_t along)
{
    if (rows >= LANES && columns >= LANES) {
        for (int64_t j = 0; j < columns; j += LANES) {
            int64_t c = min64(j, columns - LANES);
            for (int64_t i = 0; i < rows; i += LANES) {
                int64_t r = min64(i, rows - LANES);
                transpose_block(x + r * step + c, step, y + c * along + r, along);
            }
        }
    } else if (rows < LANES && columns < LANES) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++) y[c * along + r] = x[r * step + c];
    } else {
        real block[VEC_LANES * VEC_LANES] = {0}, transposed[VEC_LANES * VEC_LANES];
        int64_t tall = min64(rows, LANES), wide = min64(columns, LANES);
        for (int64_t i = 0; i < max64(rows, columns); i += LANES) {
            int64_t r = max64(min64(i, rows - LANES), 0), c = max64(min64(i, columns - LANES), 0);
            copy_matrix(x + r * step + c, step, tall, wide, block, LANES);
            transpose_block(block, LANES, transposed, LANES);
            copy_matrix(transposed, LANES, wide, tall, y + c * along + r, along);
        }
    }
}

/* A block has as many columns as a vector. In a matrix with fewer columns it writes too many, which the next matrix
 * overwrites; a block that would read beyond the last matrix is packed element by element. */
void NAME(pack_panel)(Rows rows, int64_t first, int64_t width, real *panel)
{
    int64_t size = (rows.matrices * rows.rows - 1) * rows.step + rows.columns, offsets[2 * VEC_LANES];
    for (int64_t m = 0; m < rows.matrices; m++, panel += rows.columns * width) {
        for (int64_t k = 0; k < width; k++) offsets[k] = (m * rows.rows + min64(first + k, rows.rows - 1)) * rows.step;
        for (int64_t j = 0; j < rows.columns; j += LANES) {
            int64_t c = max64(min64(j, rows.columns - LANES), 0);
            if (rows.columns > 1 && offsets[width - 1] + c + LANES <= size) {
                for (int64_t k = 0; k < width; k += LANES)
                    transpose_rows(rows.values + c, offsets + k, panel + c * width + k, width);
            } else {
                for (; c < rows.columns; c++)
                    for (int64_t k = 0; k < width; k++) panel[c * width + k] = rows.values[offsets[k] + c];
            }
        }
    }
}

void NAME(pack)(Rows rows, real *panels)
{
    for (int64_t o = 0, width; o < rows.rows; o += width) {
        width = rows.rows - o > LANES ? 2 * LANES : LANES;
        NAME(pack_panel)(rows, o, width, panels + o * rows.matrices * rows.columns);
    }
}

void NAME(add_transposed)(const real *sums, int64_t width, int64_t taps, real *dw, int64_t filters)
{
    real *block = reals(LANES * TAPS_PER_BLOCK);
    for (int64_t o = 0; o < filters; o += LANES) {
        int64_t part = min64(LANES, filters - o);
        for (int64_t first = 0; first < taps; first += TAPS_PER_BLOCK) {
            int64_t count = min64(TAPS_PER_BLOCK, taps - first);
            NAME(transpose_matrix)(sums + first * width + o, width, count, part, block, count);
            for (int64_t r = 0; r < part; r++)
                for (int64_t k = 0; k < count; k++) dw[(o + r) * taps + first + k] += block[r * count + k];
        }
    }
}

/* Pack a range of the filters w (C_out, …): w, packed, from `lowest` to `highest` − 1. */
KERNEL(pack_panels)
{
    const real *w = arrays[0].at;
    int64_t columns = size_from(arrays[0], 1), lowest = numbers[0].i;
    int64_t highest = numbers[1].i < 0 ? arrays[0].shape[0] : numbers[1].i;
    Rows rows = {w + lowest * columns, 1, highest - lowest, columns, columns};
    NAME(pack)(rows, (real *)arrays[1].at + lowest * columns);
    return DONE;
}
