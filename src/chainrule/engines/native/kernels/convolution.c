/* Cross-correlation and its gradients for all strides, dilations, groups and kernel sizes.
 *
 * A padded image is a flat array, in rows of `width` elements. Output (i, j) has index p = i·width + j, and its input
 * under tap k is taps[k] elements after element p:
 *
 *     y[o, p] = Σ_k w[o, k] · cells[p + taps[k]]        k over the taps (c, u, v)
 *
 * The ends of rows need no special treatment, and neighboring outputs form a vector. The last elements of each row of
 * sums, where no output exists, are garbage that is never read.
 *
 * stride  each phase of an image is an image of its own; every tap reads one of them
 * dx      the same sums over dy, for one phase of dx at a time; with stride 1, this is the full convolution
 * dw      dw[o, k] += Σ_p dy[o, p] · cells[p + taps[k]], with dy zero where a row is garbage */
#include "layout.h"
#include "row_tiles.h"

enum {
    SHORT_SIDE = REGISTERS == 32 ? 4 : 3, /* filters and taps of a tile of a kernel gradient, in either order */
    LONG_SIDE = REGISTERS == 32 ? 6 : 4,
    MAX_PRODUCTS = 4096, /* products summed in registers before the lanes are added up */
};

/* Cells and taps that are read, and the sums of filters: `size` elements each, of which `length` are computed. */
typedef struct {
    const real *cells;
    const int64_t *taps, *order; /* tap k multiplies the weight at order[k] */
    int64_t count;               /* of taps */
    real *sums;
    int64_t size, length;
} Correlation;

/* Lanes of two vectors: half of the elements of the first one, each followed by an element of the second one. */
#define LOWER_HALF(l) ((l) % 2 ? VEC_LANES + (l) : (l) / 2)
#define UPPER_HALF(l) ((l) % 2 ? VEC_LANES + (l) : (VEC_LANES + (l)) / 2)

/* The size of a row of sums: at least the widest tile. */
static int64_t row_size(int64_t length) { return max64(ceil_div(length, LANES), MOST_VECTORS) * LANES; }

/* sums[b, p] = Σ_k w[columns[b] + order[k]] · cells[p + taps[k]] for the outputs p and filters b of a tile */
INLINE void correlate_tile(const Correlation *c, int64_t p, const real *w, const int64_t *columns_at, real *sums,
                           int rows, int columns)
{
    vec t[32];
    tile_zeros(t, rows, columns);
    for (int64_t k = 0; k < c->count; k++)
        tile_add_outer_at(t, c->cells + p + c->taps[k], w + c->order[k], columns_at, rows, columns);
    tile_store(t, sums + p, c->size, rows, columns);
}

SEPARATE void correlate_tile_of(RowTile tile, const Correlation *c, int64_t p, const real *w, const int64_t *columns,
                                real *sums)
{
    FOR_ROW_TILE(tile.rows, tile.columns, correlate_tile, c, p, w, columns, sums)
}

/* The sums of `filters` filters, whose weights are `step` elements apart. The last tile of a row computes some outputs
 * again, or extends beyond the row; the last tile of filters repeats the last one. */
static void correlate(const Correlation *c, const real *w, int64_t step, int64_t filters)
{
    RowTile tile = row_tile(filters), rest = {tile.rest, 0, tile.columns};
    int64_t vectors = ceil_div(c->length, LANES), whole = in_tall_tiles(vectors, tile), columns[MOST_COLUMNS];
    for (int64_t o = 0; o < filters; o += tile.columns) {
        EACH(b, MOST_COLUMNS) columns[b] = min64(o + b, filters - 1) * step;
        real *sums = c->sums + o * c->size;
        for (int64_t t = 0; t < whole; t += tile.rows)
            correlate_tile_of(tile, c, min64(t, max64(vectors - tile.rows, 0)) * LANES, w, columns, sums);
        for (int64_t t = whole; t < vectors; t += rest.rows)
            correlate_tile_of(rest, c, min64(t, max64(vectors - rest.rows, 0)) * LANES, w, columns, sums);
    }
}

/* The maximum of x[2 j], x[2 j + 1] and the two elements `width` after these, for j < LANES; NaN propagates. */
INLINE vec maxima_of_2x2(const real *x, int64_t width)
{
    vec a = larger(at(x), at(x + width)), b = larger(at(x + LANES), at(x + width + LANES));
    return larger(evens(a, b), odds(a, b));
}

/* Write rows of y for filter o from its sums, which have rows of `width` elements. `biases`: one per element of y, or
 * NULL. The last vector of a row goes on in the next row, which is written later. */
INLINE void write_rows(const real *sums, int64_t width, Epilogue epilogue, int64_t o, const real *biases, real *y,
                       int64_t rows, int64_t columns, bool pooled)
{
    vec factor = spread(factor_of(epilogue, o)), addend = spread(biases ? 0 : addend_of(epilogue, o));
    const real *end = y + rows * columns;
    for (; y < end; y += columns, sums += pooled ? 2 * width : width)
        for (int64_t j = 0; j < columns; j += LANES) {
            vec v = pooled ? maxima_of_2x2(sums + 2 * j, width) : at(sums + j);
            if (biases) addend = at_part(biases + (y - end + rows * columns + j), end - y - j);
            put_part(y + j, finished(epilogue, v, factor, addend), end - y - j);
        }
}

static int64_t *ascending(int64_t count)
{
    int64_t *order = integers(count);
    for (int64_t k = 0; k < count; k++) order[k] = k;
    return order;
}

/* y[n,o,i,j] = b[o] + Σ_{c,u,v} x̄[n,c, s·i + d·u, s·j + d·v] · w[o,c,u,v], x̄: x padded with zeros, c in its group
 * x (N, C, H, W), w (C_out, C/groups, KH, KW), b (C_out), (2, C_out) with factors, or (C_out, H', W')
 * → y (N, C_out, H', W'). If pooled, the maximum of each 2×2 window of these: two rows of sums yield one row of y. */
KERNEL(cross_correlate)
{
    Array x = arrays[0], w = arrays[1], y = arrays[3];
    Window window = window_of(numbers);
    Epilogue epilogue = epilogue_of(numbers, arrays[2], y.shape[1]);
    Chunk chunk = chunk_of(numbers, y.shape[2], y.shape[1]);
    Layout layout = padded_layout(x, window);
    int64_t first = chunk.rows[0], rows = chunk.rows[1] - first, pool = epilogue.pooled ? 2 : 1, columns = y.shape[3];
    int64_t outs = y.shape[1] / window.groups, weights = size_from(w, 1), plane = y.shape[2] * columns;
    int64_t channel = layout.plane * window.stride[0] * window.stride[1], group = w.shape[1] * channel;
    int64_t skipped = pool * first * layout.width, length = (pool * rows - 1) * layout.width + pool * columns;
    if (rows <= 0) return DONE;
    Range read = input_rows(x, w, window, pool * first, pool * chunk.rows[1]);
    int64_t *taps = NAME(forward_taps)(w, layout, window), size = row_size(length);
    int64_t last = (window.groups - 1) * group + skipped;
    real *cells = zeros(NAME(buffer_size)(x.shape[1] * channel, last, taps, weights, size));
    real *sums = reals((outs + MOST_COLUMNS) * size);
    Correlation c = {NULL, taps, ascending(weights), weights, sums, size, length};
    for (int64_t n = 0; n < x.shape[0]; n++) {
        NAME(lay_out)(x, n, cells, layout, window, read);
        for (int64_t g = 0; g < window.groups; g++) {
            int64_t lowest = max64(chunk.filters[0], g * outs), end = min64(chunk.filters[1], (g + 1) * outs);
            c.cells = cells + g * group + skipped;
            if (lowest < end) correlate(&c, (const real *)w.at + lowest * weights, weights, end - lowest);
            for (int64_t o = lowest; o < end; o++) {
                const real *biases = epilogue.untied ? epilogue.addends + o * plane + first * columns : NULL;
                real *result = (real *)y.at + (n * y.shape[1] + o) * plane + first * columns;
                const real *own = sums + (o - lowest) * size;
                if (epilogue.pooled) write_rows(own, layout.width, epilogue, o, biases, result, rows, columns, true);
                else write_rows(own, layout.width, epilogue, o, biases, result, rows, columns, false);
            }
        }
    }
    return DONE;
}

/* A phase of padded dx along an axis, and the part of dy that it uses. */
typedef struct {
    int64_t first, count;  /* index of the first element that is not padding, and the number of such elements */
    int64_t before, after; /* zeros before and after dy */
    int64_t skip;          /* elements of dy that are not used, if the padding exceeds that of a full convolution */
} Extent;

static Extent extent_of(int axis, int64_t phase, Window window, Array w, Array dy, Array dx)
{
    int64_t stride = window.stride[axis], padding = window.padding[axis][0] - phase;
    int64_t first = ceil_div(max64(padding, 0), stride);
    int64_t count = (dx.shape[2 + axis] + padding + stride - 1) / stride - first;
    int64_t lead = window.dilation[axis] * (w.shape[2 + axis] - 1) / stride - first;
    int64_t after = first + count - dy.shape[2 + axis];
    return (Extent){first, count, max64(lead, 0), max64(after, 0), max64(-lead, 0)};
}

/* Set the distances from an element of dx to the elements of padded dy under the taps (o, u, v) that a phase of dx
 * uses, and the places of their weights after the first one of the same channel and group; return their number. */
static int64_t backward_taps(Array w, const int64_t *phase, Layout layout, int64_t filters, Window window,
                             int64_t *taps, int64_t *order)
{
    int64_t width = w.shape[3], all = w.shape[2] * width, down = window.stride[0], along = window.stride[1], count = 0;
    int64_t far_i = window.dilation[0] * (w.shape[2] - 1) / down, far_j = window.dilation[1] * (width - 1) / along;
    for (int64_t t = 0; t < all; t++) {
        int64_t i = t / width * window.dilation[0], j = t % width * window.dilation[1];
        if (i % down != phase[0] || j % along != phase[1]) continue;
        taps[count] = (far_i - i / down) * layout.width + far_j - j / along;
        order[count++] = window.flip ? all - 1 - t : t;
    }
    for (int64_t k = count; k < filters * count; k++) {
        taps[k] = taps[k - count] + layout.plane;
        order[k] = order[k - count] + w.shape[1] * all;
    }
    return filters * count;
}

/* Copy rows of `count` sums to every s-th element of every s-th row of an image, from `y` to `end`, with rows of
 * `columns` elements. */
static void spread_rows(const real *sums, int64_t width, real *y, const real *end, int64_t columns, int64_t count,
                        const int64_t *stride)
{
    int64_t along = stride[1];
    for (; y < end; sums += width, y += stride[0] * columns) {
        int64_t k = 0;
        for (; along < 3 && k + LANES <= count && y + along * (k + LANES) <= end; k += LANES) {
            vec v = at(sums + k), *two = (vec *)(y + along * k);
            if (along == 1) {
                two[0] = v;
            } else { /* the elements between these remain */
                two[0] = __builtin_shufflevector(v, two[0], LANE_LIST(LOWER_HALF));
                two[1] = __builtin_shufflevector(v, two[1], LANE_LIST(UPPER_HALF));
            }
        }
        for (; k < count; k++) y[k * along] = sums[k];
    }
}

/* dx[n,c, s·i + r] = Σ_{o, u ≡ r} w[o,c,u] · dy[n,o, i − d·u // s], on both axes, for phase r: the phase has every s-th
 * row and column of padded dx, and u ≡ r means d·u ≡ r modulo s. Its sums are contiguous, like those of a forward
 * convolution of dy. */
static void correlate_phase(Array dy, Array w, Array dx, const int64_t *phase, Window window)
{
    Extent down = extent_of(0, phase[0], window, w, dy, dx), along = extent_of(1, phase[1], window, w, dy, dx);
    int64_t channels = w.shape[1], filters = dy.shape[1] / window.groups, all = w.shape[2] * w.shape[3];
    if (down.count <= 0 || along.count <= 0) return;
    int64_t width = dy.shape[3] + max64(along.before, along.after), *stride = window.stride;
    Layout layout = {width, (down.before + dy.shape[2] + down.after) * width};
    int64_t length = (down.count - 1) * width + along.count, size = row_size(length), group = filters * layout.plane;
    int64_t *taps = integers(filters * all), *order = integers(filters * all);
    int64_t count = backward_taps(w, phase, layout, filters, window, taps, order);
    int64_t skipped = down.skip * width + along.skip;
    int64_t last = (window.groups - 1) * group + skipped;
    real *cells = zeros(NAME(buffer_size)(dy.shape[1] * layout.plane, last, taps, count, size));
    Correlation c = {NULL, taps, order, count, reals((channels + MOST_COLUMNS) * size), size, length};
    Window lead = {{1, 1}, {{down.before, 0}, {along.before, 0}}, {1, 1}, 1, false};
    int64_t top = stride[0] * down.first + phase[0] - window.padding[0][0];
    int64_t left = stride[1] * along.first + phase[1] - window.padding[1][0];
    for (int64_t n = 0; n < dy.shape[0]; n++) {
        NAME(lay_out)(dy, n, cells, layout, lead, (Range){0, dy.shape[2]});
        for (int64_t g = 0; g < window.groups; g++) {
            c.cells = cells + g * group + skipped;
            correlate(&c, (const real *)w.at + g * filters * channels * all, all, channels);
            real *image = (real *)dx.at + (n * dx.shape[1] + g * channels) * dx.shape[2] * dx.shape[3];
            for (int64_t channel = 0; channel < channels; channel++, image += dx.shape[2] * dx.shape[3])
                spread_rows(c.sums + channel * size, width, image + top * dx.shape[3] + left,
                            image + dx.shape[2] * dx.shape[3], dx.shape[3], along.count, stride);
        }
    }
}

/* dy (N, C_out, H', W'), w (C_out, C/groups, KH, KW) → dx (N, C, H, W), one phase after the other */
KERNEL(cross_correlate_dx)
{
    Window window = window_of(numbers);
    for (int64_t k = 0; k < window.stride[0] * window.stride[1]; k++) {
        int64_t phase[] = {k / window.stride[1], k % window.stride[1]};
        correlate_phase(arrays[0], arrays[1], arrays[2], phase, window);
    }
    return DONE;
}

/* Images of dy and of x: `samples` of them, and distances between images and between the filters of dy. */
typedef struct {
    const real *dy, *cells;
    int64_t samples, upstream, image, size, length;
} Products;

/* sums[a columns + b] = Σ_n Σ_p dy[n, a, p] · cells[n, p + taps[b]] for `rows` filters a and `columns` taps b */
INLINE void gradient_tile(const Products *s, const int64_t *taps, real *sums, int rows, int columns)
{
    vec t[24 + LANES];
    EACH(k, 24 + VEC_LANES) t[k] = (vec){0};
    for (int64_t n = 0; n < s->samples; n++)
        for (int64_t p = 0; p < s->length; p += LANES)
            tile_add_products(t, s->dy + n * s->upstream + p, s->size, s->cells + n * s->image + p, taps, rows,
                              columns);
    for (int k = 0; k < rows * columns; k += VEC_LANES) put(sums + k, lane_sums(t + k));
}

SEPARATE void gradient_tile_of(const Products *s, const int64_t *taps, real *sums, bool is_tall)
{
    if (is_tall) gradient_tile(s, taps, sums, LONG_SIDE, SHORT_SIDE);
    else gradient_tile(s, taps, sums, SHORT_SIDE, LONG_SIDE);
}

/* dw[o,c,u,v] += Σ_{n,i,j} x̄[n,c, s·i + d·u, s·j + d·v] · dy[n,o,i,j], c in the group of o
 * x (N, C, H, W), dy (N, C_out, H', W') → dw (C_out, C/groups, KH, KW)
 * Only a few samples are laid out at a time, so that they stay in a cache. */
KERNEL(cross_correlate_dw)
{
    Array x = arrays[0], dy = arrays[1], dw = arrays[2];
    Window window = window_of(numbers), plain = {{1, 1}, {{0, 0}, {0, 0}}, {1, 1}, 1, false};
    Layout layout = padded_layout(x, window);
    int64_t outs = dy.shape[1] / window.groups, count = size_from(dw, 1);
    int64_t length = (dy.shape[2] - 1) * layout.width + dy.shape[3], size = row_size(length);
    int64_t channel = layout.plane * window.stride[0] * window.stride[1], group = dw.shape[1] * channel;
    int64_t image = conflict_free(x.shape[1] * channel), upstream = conflict_free(dy.shape[1] * size);
    int64_t block = max64(1, min64(x.shape[0], MAX_PRODUCTS / length));
    int64_t *taps = integers(count + LONG_SIDE); /* zeros follow */
    memset(taps, 0, (size_t)(count + LONG_SIDE) * sizeof *taps);
    memcpy(taps, NAME(forward_taps)(dw, layout, window), (size_t)count * sizeof *taps);
    int64_t last = (block - 1) * image + (window.groups - 1) * group;
    Range all = {0, dy.shape[2]};
    real *cells = zeros(NAME(buffer_size)(block * image, last, taps, count, size));
    real *rows = zeros((block - 1) * upstream + (dy.shape[1] + LONG_SIDE) * size), sums[24 + LANES];
    bool is_tall = round_up(outs, LONG_SIDE) < round_up(outs, SHORT_SIDE);
    int64_t filters = is_tall ? LONG_SIDE : SHORT_SIDE, columns = is_tall ? SHORT_SIDE : LONG_SIDE;
    for (int64_t first = 0; first < x.shape[0]; first += block) {
        Products s = {.samples = min64(block, x.shape[0] - first), upstream, image, size, length};
        for (int64_t n = 0; n < s.samples; n++) {
            NAME(lay_out)(x, first + n, cells + n * image, layout, window, (Range){0, x.shape[2]});
            NAME(lay_out)(dy, first + n, rows + n * upstream, (Layout){layout.width, size}, plain, all);
        }
        for (int64_t o = 0; o < dy.shape[1]; o += min64(filters, outs - o % outs)) {
            s.dy = rows + o * size;
            s.cells = cells + o / outs * group;
            int64_t height = min64(filters, outs - o % outs);
            for (int64_t k = 0; k < count; k += columns) {
                gradient_tile_of(&s, taps + k, sums, is_tall);
                for (int64_t a = 0; a < height; a++)
                    for (int64_t b = 0; b < min64(columns, count - k); b++)
                        ((real *)dw.at)[(o + a) * count + k + b] += sums[a * columns + b];
            }
        }
    }
    return DONE;
}
