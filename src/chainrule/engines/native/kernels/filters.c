/* Cross-correlation and its gradients with vectors of filters.
 *
 * A vector has one output of several filters, and is multiplied by scalars, which are elements of the image:
 *
 *     y[p, o] = b[o] + Σ_k w[k, o] · cells[outputs[p] + taps[k]]        k over the taps (c, u, v), o over the lanes
 *     dw[k, o] += Σ_p cells[outputs[p] + taps[k]] · dy[p, o]
 *
 * The outputs of several small images form one list. Weights and upstream gradients are transposed first (see
 * transposing.c), and results afterwards. All taps are added up before a sum is stored; taps.c adds up one tap after
 * the other, without padding. */
#include "filter_tiles.h"

enum { POOLED_COLUMNS = REGISTERS == 32 ? 8 : 4 };

/* Images in a flat array, or, if they are padded, a workspace for `samples` of them. */
typedef struct {
    Array x;
    const real *flat;
    real *workspace;
    int64_t stride; /* distance between images */
    Layout layout;
    Window window;
} Images;

/* `length` elements are read under each tap. `shared`: other threads may have written x. */
static Images images_of(Array x, Window window, int64_t samples, const int64_t *taps, int64_t count, int64_t length,
                        bool shared)
{
    Window unit = with_unit_stride(window);
    Layout layout = padded_layout(x, unit);
    int64_t stride = x.shape[1] * layout.plane;
    if (!is_padded(window)) return (Images){x, NAME(copied_if_shared)(x, shared), NULL, stride, layout, unit};
    stride = conflict_free(stride);
    int64_t size = NAME(buffer_size)(samples * stride, (samples - 1) * stride, taps, count, length);
    return (Images){x, NULL, zeros(size), stride, layout, unit};
}

/* The cells of `count` images from image `start` on; if they are padded, only the given rows. */
static const real *lay_out_block(const Images *images, int64_t start, int64_t count, Range rows)
{
    if (!images->workspace) return images->flat + start * images->stride;
    for (int64_t n = 0; n < count; n++)
        NAME(lay_out)(images->x, start + n, images->workspace + n * images->stride, images->layout, images->window,
                      rows);
    return images->workspace;
}

/* The offset of each output (n, i, j): n image + i down + j along, then zeros for the rest of the last tile. If pooled,
 * the offsets of the four outputs of each 2×2 window. */
static int64_t *list_outputs(int64_t samples, int64_t rows, int64_t columns, int64_t image, int64_t down, int64_t along,
                             bool pooled)
{
    int64_t windows = pooled ? 2 : 1, *offsets = integers(samples * rows * columns * windows * windows + TILE_COLUMNS);
    int64_t *next = offsets;
    for (int64_t n = 0; n < samples; n++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                for (int64_t k = 0; k < windows * windows; k++)
                    *next++ = n * image + (i * windows + k / 2) * down + (j * windows + k % 2) * along;
    memset(next, 0, TILE_COLUMNS * sizeof *next);
    return offsets;
}

/* What the tiles of a panel of filters, from filter o on, read and write. */
typedef struct {
    const real *cells; /* output p reads cells[outputs[p] + taps[k]] under tap k */
    const int64_t *taps, *outputs;
    int64_t all, count;     /* taps; results, or outputs of a kernel gradient */
    const real *panel;      /* weights, or dy, from column `first` on */
    int64_t first, last, o; /* the taps, or outputs, that are added */
    real *sums;             /* `width` filters per output, or per tap */
    int64_t width;
    const real *factors, *addends; /* in the order of the filters */
    const int64_t *addends_at;     /* for each output */
    real least, most;
} List;

/* sums[p, o] += Σ_k w[k, o] · cells[outputs[p] + taps[k]]; after the last tap, the epilogue is applied. If pooled, a
 * result is the maximum of four outputs. */
INLINE void correlate_tiles(const List *list, int rows, bool pooled)
{
    const int columns = pooled ? POOLED_COLUMNS : TILE_COLUMNS, window = pooled ? 4 : 1;
    for (int64_t p = 0; p < list->count * window; p += columns) {
        vec t[TILE_ROWS * TILE_COLUMNS];
        real *sums = list->sums + p / window * list->width + list->o;
        if (list->first) tile_load(t, sums, list->width, rows, columns);
        else tile_zeros(t, rows, columns);
        const real *panel = list->panel;
        for (int64_t k = list->first; k < list->last; k++, panel += rows * LANES)
            tile_add_outer_at(t, panel, list->cells + list->taps[k], list->outputs + p, rows, columns);
        if (list->last == list->all) {
            vec addends[TILE_ROWS * TILE_COLUMNS];
            tile_load_at(addends, list->addends + list->o, list->addends_at + p, rows, columns);
            EACH(k, rows * columns) t[k] = t[k] * at(list->factors + list->o + k / columns * LANES) + addends[k];
            tile_clamp(t, list->least, list->most, rows, columns);
        }
        if (pooled)
            EACH(k, rows * columns / 4)
                t[k] = larger(larger(t[4 * k], t[4 * k + 1]), larger(t[4 * k + 2], t[4 * k + 3]));
        tile_store(t, sums, list->width, rows, columns / window);
    }
}

SEPARATE void correlate_one(const List *list) { correlate_tiles(list, 1, false); }
SEPARATE void correlate_two(const List *list) { correlate_tiles(list, TILE_ROWS, false); }
SEPARATE void pool_one(const List *list) { correlate_tiles(list, 1, true); }
SEPARATE void pool_two(const List *list) { correlate_tiles(list, TILE_ROWS, true); }

/* The sums of all filters. The weights of a strip of taps are packed just before tiles read them. */
static void correlate_list(List *list, Weights weights, bool fresh, bool pooled)
{
    for (int64_t o = 0, width; o < list->width; o += width) {
        width = panel_width(list->width - o);
        bool single = width == LANES;
        int64_t strip = pooled ? list->all : single ? TILE_ROWS * STRIP : STRIP;
        for (int64_t first = 0; first < list->all; first += strip) {
            int64_t last = min64(first + strip, list->all);
            real *panel = weights.panels + (weights.keeps_all ? o * list->all + first * width : 0);
            Rows taps = weights.rows;
            taps.values += first;
            taps.columns = last - first;
            if (fresh || !weights.keeps_all) NAME(pack_panel)(taps, o, width, panel);
            list->panel = panel, list->first = first, list->last = last, list->o = o;
            if (pooled) single ? pool_one(list) : pool_two(list);
            else single ? correlate_one(list) : correlate_two(list);
        }
    }
}

/* `count` values, or `otherwise` if there are none, in whole vectors. */
static real *in_vectors(const real *values, int64_t count, real otherwise)
{
    real *vectors = reals(round_up(count, LANES));
    for (int64_t k = 0; k < round_up(count, LANES); k++) vectors[k] = values && k < count ? values[k] : otherwise;
    return vectors;
}

/* y[n,o,i,j] = b[o] + Σ_{c,u,v} x̄[n,c, s·i + d·u, s·j + d·v] · w[o,c,u,v], x̄: x padded with zeros
 * x (N, C, H, W), w (C_out, C, KH, KW), b (C_out), (2, C_out) with factors, or (C_out, H', W') → y (N, C_out, H', W')
 * If pooled, the maximum of each 2×2 window of these. */
KERNEL(correlate_filters)
{
    Array x = arrays[0], w = arrays[1], y = arrays[3];
    Window window = window_of(numbers), unit = with_unit_stride(window);
    Epilogue epilogue = epilogue_of(numbers, arrays[2], y.shape[1]);
    Chunk chunk = chunk_of(numbers, y.shape[2], y.shape[1]);
    int64_t pool = epilogue.pooled ? 2 : 1, first = chunk.rows[0], rows = chunk.rows[1] - first, columns = y.shape[3];
    int64_t lowest = chunk.filters[0], outs = chunk.filters[1] - lowest, width = round_up(outs, LANES);
    int64_t cells = rows * columns, plane = y.shape[2] * columns, all = size_from(w, 1), samples = x.shape[0];
    if (cells <= 0 || outs <= 0) return DONE;
    Layout layout = padded_layout(x, unit);
    int64_t down = window.stride[0] * layout.width, along = window.stride[1];
    int64_t length = (pool * chunk.rows[1] - 1) * down + (pool * columns - 1) * along + 1;
    int64_t block = epilogue.untied ? 1 : samples_per_list(samples, cells);
    int64_t at_once = block == 1 ? MIN_LISTED_OUTPUTS : block * cells, *taps = NAME(forward_taps)(w, layout, unit);
    Images images = images_of(x, window, block, taps, all, length, outs < y.shape[1]);
    Range read = input_rows(x, w, window, pool * first, pool * chunk.rows[1]);
    int64_t *outputs = list_outputs(block, rows, columns, images.stride, down, along, epilogue.pooled);
    List list = {.taps = taps, .all = all, .width = width, .least = epilogue.least, .most = epilogue.most};
    list.sums = reals((at_once + TILE_COLUMNS) * width);
    list.factors = in_vectors(epilogue.factors ? epilogue.factors + lowest : NULL, outs, 1);
    list.addends = in_vectors(epilogue.addends ? epilogue.addends + lowest : NULL, outs, 0);
    int64_t bias_row = 0, bias_step = 0;
    if (epilogue.untied) { /* one row of filters per position */
        int64_t positions = size_from(arrays[2], 0) / y.shape[1];
        real *addends = zeros(positions * width);
        NAME(transpose_matrix)(epilogue.addends + lowest * positions, positions, outs, positions, addends, width);
        bias_step = width;
        bias_row = outputs_on_axis(1, x, w, window) * width;
        list.addends = addends + first * pool * bias_row;
    }
    int64_t *addends_at = list_outputs(block, rows, columns, 0, bias_row, bias_step, epilogue.pooled);
    Rows filters = {(const real *)w.at + lowest * all, 1, outs, all, all};
    Weights weights = weights_of(filters, samples * cells > at_once, all, numbers[PACKED].i);
    for (int64_t start = 0; start < samples; start += block) {
        int64_t count = min64(block, samples - start);
        list.cells = lay_out_block(&images, start, count, read) + first * pool * down;
        memset(outputs + count * cells * pool * pool, 0, TILE_COLUMNS * sizeof *outputs);
        for (int64_t done = 0; done < count * cells; done += at_once) {
            list.count = min64(at_once, count * cells - done);
            list.outputs = outputs + done * pool * pool;
            list.addends_at = addends_at + done * pool * pool;
            correlate_list(&list, weights, start == 0 && done == 0 && !weights.packed, epilogue.pooled);
            int64_t per_image = min64(list.count, cells);
            real *target = (real *)y.at + (start * y.shape[1] + lowest) * plane + first * columns + done;
            for (int64_t n = 0; n < list.count / per_image; n++, target += y.shape[1] * plane)
                NAME(transpose_matrix)(list.sums + n * per_image * width, width, per_image, outs, target, plane);
        }
    }
    return DONE;
}

/* sums[k, o] += Σ_p cells[outputs[p] + taps[k]] · dy[p, o] for all taps; `fresh`: the sums are uninitialized. */
INLINE void add_gradient_tiles(const List *list, bool fresh, int rows)
{
    for (int64_t k = 0; k < list->all; k += TILE_COLUMNS) {
        vec t[TILE_ROWS * TILE_COLUMNS];
        real *sums = list->sums + k * list->width + list->o;
        if (fresh) tile_zeros(t, rows, TILE_COLUMNS);
        else tile_load(t, sums, list->width, rows, TILE_COLUMNS);
        const real *panel = list->panel;
        for (int64_t p = list->first; p < list->last; p++, panel += rows * LANES)
            tile_add_outer_at(t, panel, list->cells + list->outputs[p], list->taps + k, rows, TILE_COLUMNS);
        tile_store(t, sums, list->width, rows, TILE_COLUMNS);
    }
}

SEPARATE void add_gradient_of_one(const List *list, bool fresh) { add_gradient_tiles(list, fresh, 1); }
SEPARATE void add_gradient_of_two(const List *list, bool fresh) { add_gradient_tiles(list, fresh, TILE_ROWS); }

/* dw[o,c,u,v] += Σ_{n,i,j} x̄[n,c, s·i + d·u, s·j + d·v] · dy[n,o,i,j]
 * x (N, C, H, W), dy (N, C_out, H', W') → dw (C_out, C, KH, KW) */
KERNEL(correlate_filters_dw)
{
    Array x = arrays[0], dy = arrays[1], dw = arrays[2];
    Window window = window_of(numbers), unit = with_unit_stride(window);
    int64_t outs = dy.shape[1], width = round_up(outs, LANES), cells = dy.shape[2] * dy.shape[3], samples = x.shape[0];
    int64_t all = size_from(dw, 1), block = samples_per_list(samples, cells);
    if (samples == 0) return DONE;
    Layout layout = padded_layout(x, unit);
    int64_t down = window.stride[0] * layout.width, along = window.stride[1];
    int64_t length = (dy.shape[2] - 1) * down + (dy.shape[3] - 1) * along + 1, *taps = integers(all + TILE_COLUMNS);
    memset(taps, 0, (size_t)(all + TILE_COLUMNS) * sizeof *taps);
    memcpy(taps, NAME(forward_taps)(dw, layout, unit), (size_t)all * sizeof *taps);
    Images images = images_of(x, window, block, taps, all, length, false);
    real *panels = reals(width * block * cells + TILE_ROWS * LANES * LANES);
    List list = {.taps = taps, .all = all, .sums = reals((all + TILE_COLUMNS) * width), .width = width};
    list.outputs = list_outputs(block, dy.shape[2], dy.shape[3], images.stride, down, along, false);
    for (int64_t start = 0; start < samples; start += block) {
        int64_t count = min64(block, samples - start), columns = count * cells;
        list.cells = lay_out_block(&images, start, count, (Range){0, x.shape[2]});
        NAME(pack)((Rows){(const real *)dy.at + start * outs * cells, count, outs, cells, cells}, panels);
        for (int64_t panel = 0; panel < width; panel += panel_width(width - panel)) {
            bool single = panel_width(width - panel) == LANES;
            int64_t strip = single ? TILE_ROWS * STRIP : STRIP;
            list.o = panel;
            for (list.first = 0; list.first < columns; list.first += strip) {
                bool fresh = start == 0 && list.first == 0;
                list.last = min64(list.first + strip, columns);
                list.panel = panels + panel * columns + list.first * panel_width(width - panel);
                single ? add_gradient_of_one(&list, fresh) : add_gradient_of_two(&list, fresh);
            }
        }
    }
    NAME(add_transposed)(list.sums, width, all, dw.at, outs);
    return DONE;
}
