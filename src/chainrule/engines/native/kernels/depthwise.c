/* Cross-correlation and its gradients for small groups, in particular depthwise convolutions.
 *
 * In a group with one filter per channel, no other filter can reuse a loaded element. Each lane of a vector is
 * therefore a different filter with its own channel. Inputs and weights are then vectors, and all lanes are used for
 * any stride, dilation and image width:
 *
 *     y[i, j] = Σ_u Σ_v w[u, v] · rows[s·i + d·u, s·j + d·v]        a lane for each filter
 *
 * As many channels as a vector has lanes are transposed into a frame, a buffer of zeros: an element of the image is a
 * vector of channels. A tile has the sums of OUTPUTS outputs, and is transposed back. Lanes beyond the last filter
 * repeat it. If groups have several channels, the frame has the vectors of the first channels of the groups, then those
 * of their second channels, and so on.
 *
 * dx  the same sums over dy with the taps that reach an element, one phase of dx after the other
 * dw  a tile has nine taps; x and dy are both transposed, so that no lanes are added up */
#include "layout.h"
#include "tiles.h"

enum {
    PART = 8,                                /* outputs whose offsets fit into registers */
    OUTPUTS = WIDTH / 4 > 8 ? WIDTH / 4 : 8, /* of a tile; they fill whole vectors of float32 and of float64 */
    MAX_REST = OUTPUTS > PART ? PART : 0,    /* outputs after the last tile that are computed as one part */
    TAPS = 9,                                /* of a tile of a kernel gradient */
};

/* For each lane of a vector, an offset; and what is applied to its sums. */
typedef int64_t Lanes[VEC_LANES];
typedef struct {
    vec addends, factors;
    bool scaled;
    real least, most;
} LaneEpilogue;

/* rows[cells[p] + k] = x[channels[k] + p] for p < count */
static void lay_side_by_side(const real *x, const int64_t *channels, real *rows, const int64_t *cells, int64_t count)
{
    if (count < LANES) {
        for (int64_t p = 0; p < count; p++)
            EACH(k, LANES) rows[cells[p] + k] = x[channels[k] + p];
        return;
    }
    for (int64_t t = 0; t < count; t += LANES) {
        int64_t p = min64(t, count - LANES);
        vec v[VEC_LANES];
        EACH(k, LANES) v[k] = at(x + channels[k] + p);
        transpose_vectors(v);
        EACH(b, LANES) put(rows + cells[p + b], v[b]);
    }
}

/* y[channels[k] + b] = t[b], lane k, for the first `count` of OUTPUTS vectors */
INLINE void store_transposed(vec *t, real *y, const int64_t *channels, int64_t count)
{
    if (count < OUTPUTS) {
        for (int64_t b = 0; b < count; b++)
            EACH(k, LANES) y[channels[k] + b] = t[b][k];
        return;
    }
    for (int64_t block = 0; block < OUTPUTS; block += LANES) {
        transpose_vectors(t + block);
        EACH(k, LANES) put(y + channels[k] + block, t[block + k]);
    }
}

/* The sums over taps of PART outputs, and the epilogue. */
INLINE void sum_part(const real *rows, const int64_t *outputs, const int64_t *taps, int64_t tap_count, const real *w,
                     const LaneEpilogue *epilogue, vec *t)
{
    vec sums[PART];
    EACH(b, PART) {
        sums[b] = (vec){0};
        if (!epilogue->scaled) sums[b] = epilogue->addends;
    }
    for (int64_t k = 0; k < tap_count; k++) {
        vec weight = at(w + k * LANES);
        EACH(b, PART) sums[b] += at(rows + taps[k] + outputs[b]) * weight;
    }
    EACH(b, PART) {
        if (epilogue->scaled) sums[b] = sums[b] * epilogue->factors + epilogue->addends;
        t[b] = clamped(sums[b], epilogue->least, epilogue->most);
    }
}

INLINE void sum_tile(const real *rows, const int64_t *outputs, const int64_t *taps, int64_t tap_count, const real *w,
                     const LaneEpilogue *epilogue, vec *t)
{
    for (int part = 0; part < OUTPUTS; part += PART)
        sum_part(rows, outputs + part, taps, tap_count, w, epilogue, t + part);
}

/* Sums over taps for `count` outputs, written to the channels of y. The last tile may overlap the one before it. */
SEPARATE void sum_taps(const real *rows, const int64_t *outputs, const int64_t *taps, int64_t tap_count, const real *w,
                       const LaneEpilogue *epilogue, real *y, const int64_t *channels, int64_t count)
{
    vec t[OUTPUTS];
    Lanes shifted;
    int64_t done = 0;
    for (; count - done > MAX_REST; done += OUTPUTS) {
        int64_t p = max64(min64(done, count - OUTPUTS), 0);
        EACH(k, LANES) shifted[k] = channels[k] + p;
        sum_tile(rows, outputs + p, taps, tap_count, w, epilogue, t);
        store_transposed(t, y, shifted, count);
    }
    if (done < count) { /* an image of 2×2 has only four outputs */
        int64_t p = max64(count - PART, 0);
        sum_part(rows, outputs + p, taps, tap_count, w, epilogue, t);
        for (int64_t b = 0; b < min64(count, PART); b++)
            EACH(k, LANES) y[channels[k] + p + b] = t[b][k];
    }
}

/* The offset of the vector of each element (i, j): (first + i·down + j·along)·LANES. The last one is repeated until
 * there are at least `least`; `*count` is set to their number. */
static int64_t *vector_offsets(int64_t rows, int64_t columns, int64_t first, int64_t down, int64_t along, int64_t least,
                               int64_t *count)
{
    *count = max64(rows * columns, least);
    int64_t *offsets = integers(*count), number = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) offsets[number++] = (first + i * down + j * along) * LANES;
    for (; number < *count; number++) offsets[number] = number ? offsets[number - 1] : 0;
    return offsets;
}

/* The frame of the channels of some groups.
 *
 * rows            its elements; `plane` elements lie before the vectors of the next channels
 * start, copied   index in a channel of the first element that is copied to the frame, and how many are; cells: their
 * places outputs         offset of each output's input under the first tap; taps: distance to the input under each tap
 */
typedef struct {
    real *rows;
    int64_t plane, start, copied;
    const int64_t *cells, *outputs, *taps;
} Frame;

/* The frame has only the rows that outputs read. Neighboring outputs are `stride` elements apart in it. */
static Frame frame_of(Array x, Array w, Array y, Window window)
{
    Window dense = with_unit_stride(window);
    int64_t top = window.padding[0][0], left = window.padding[1][0], count;
    int64_t width = padded_layout(x, dense).width, reach = window.dilation[0] * (w.shape[2] - 1) + 1;
    int64_t height = reach + (y.shape[2] - 1) * window.stride[0], taps = size_from(w, 1);
    Range rows = rows_within(-top, height - top, x.shape[2]);
    Frame frame = {.plane = height * width * LANES,
                   .start = rows.first * x.shape[3],
                   .copied = (rows.last - rows.first) * x.shape[3]};
    int64_t first = (rows.first + top) * width + left;
    frame.cells = vector_offsets(rows.last - rows.first, x.shape[3], first, width, 1, LANES, &count);
    frame.outputs =
        vector_offsets(y.shape[2], y.shape[3], 0, window.stride[0] * width, window.stride[1], OUTPUTS, &count);
    int64_t *distances = NAME(forward_taps)(w, (Layout){width, height * width}, dense);
    int64_t length = frame.outputs[count - 1] / LANES + 1;
    frame.rows = zeros(NAME(buffer_size)(w.shape[1] * height * width, 0, distances, taps, length) * LANES);
    for (int64_t k = 0; k < taps; k++) distances[k] *= LANES;
    frame.taps = distances;
    return frame;
}

/* weights[t, lane] = w[starts[lane] + order[t]], or + t without an order */
static void pack_weights(const real *w, const int64_t *starts, const int64_t *order, int64_t count, real *weights)
{
    for (int64_t t = 0; t < count; t++)
        EACH(k, LANES) weights[t * LANES + k] = w[starts[k] + (order ? order[t] : t)];
}

/* Filters of w (C_out, …) in vectors with a lane per filter; the first one, o, starts at element o·taps. */
static void pack(Array w, int64_t lowest, int64_t end, real *packed)
{
    int64_t taps = size_from(w, 1);
    Lanes starts;
    for (int64_t first = lowest; first < end; first += LANES) {
        EACH(k, LANES) starts[k] = min64(first + k, end - 1) * taps;
        pack_weights(w.at, starts, NULL, taps, packed + first * taps);
    }
}

KERNEL(pack_lanes)
{
    pack(arrays[0], numbers[0].i, numbers[1].i < 0 ? arrays[0].shape[0] : numbers[1].i, arrays[1].at);
    return DONE;
}

/* y = w ⋆ x + b, and the epilogue: x (N, C, H, W), w (C_out, C/groups, KH, KW), y (N, C_out, H', W'). */
KERNEL(correlate_few)
{
    Array x = arrays[0], w = arrays[1], y = arrays[3];
    Window window = window_of(numbers);
    Epilogue of = epilogue_of(numbers, arrays[2], y.shape[1]);
    Chunk chunk = chunk_of(numbers, y.shape[2], y.shape[1]);
    int64_t lowest = chunk.filters[0], end = chunk.filters[1], outs = y.shape[1] / window.groups, ins = w.shape[1];
    int64_t inside = size_from(x, 2), outside = size_from(y, 2), taps = size_from(w, 1);
    if (end <= lowest) return DONE;
    Frame frame = frame_of(x, w, y, window);
    real *vectors = w.at;
    if (!numbers[PACKED].i) {
        vectors = reals((lowest + round_up(end - lowest, LANES)) * taps);
        pack(w, lowest, end, vectors);
    }
    LaneEpilogue epilogue = {{0}, {0}, of.factors != NULL, of.least, of.most};
    for (int64_t first = lowest; first < end; first += LANES) {
        Lanes inputs, results;
        EACH(k, LANES) {
            int64_t o = min64(first + k, end - 1);
            inputs[k] = o / outs * ins * inside + frame.start;
            results[k] = o * outside;
            epilogue.addends[k] = addend_of(of, o);
            epilogue.factors[k] = factor_of(of, o);
        }
        for (int64_t n = 0; n < x.shape[0]; n++) {
            for (int64_t c = 0; c < ins; c++)
                lay_side_by_side((const real *)x.at + (n * x.shape[1] + c) * inside, inputs,
                                 frame.rows + c * frame.plane, frame.cells, frame.copied);
            sum_taps(frame.rows, frame.outputs, frame.taps, taps, vectors + first * taps, &epilogue,
                     (real *)y.at + n * y.shape[1] * outside, results, outside);
        }
    }
    return DONE;
}

/* The phases of dx. Element i of dx is read under tap u if top + i − d·u is a multiple of the stride s, where d is the
 * dilation. Elements with the same remainder (top + i) mod s thus use the same taps, and form a phase. On an axis of 3
 * taps with stride 2, padding 1 and without dilation, phase 0 has taps 0 and 2 and elements 1, 3, 5, …; phase 1 has tap
 * 1 and elements 0, 2, 4, …
 *
 * taps, order    for each tap, the offset of its element of dy, and the index of its weight within a channel
 * inputs, sums   for each element of dx, the offset of the element of dy under a tap with offset 0, and of its sum
 * first_tap, first_cell   of each phase, and after the last one their numbers */
typedef struct {
    int64_t *taps, *order, *inputs, *sums, *first_tap, *first_cell;
} Phases;

/* The frame of the rows of dy that dx uses: its layout, the row and column in it under the first tap of element (0, 0)
 * of padded dx, and what is copied to it, as in `Frame`. */
typedef struct {
    Layout layout;
    int64_t row, column, start, copied;
    const int64_t *cells;
} FrameOfDy;

static FrameOfDy frame_of_dy(Array dy, Array w, Array dx, Window window)
{
    int64_t down = window.stride[0], along = window.stride[1], top = window.padding[0][0], left = window.padding[1][0],
            count;
    int64_t low = top / down - window.dilation[0] * (w.shape[2] - 1) / down, high = (dx.shape[2] - 1 + top) / down + 1;
    int64_t before = max64(window.dilation[1] * (w.shape[3] - 1) / along - left / along, 0);
    int64_t width = before + max64(dy.shape[3], (dx.shape[3] - 1 + left) / along + 1);
    Range rows = rows_within(low, high, dy.shape[2]);
    const int64_t *cells = vector_offsets(rows.last - rows.first, dy.shape[3], (rows.first - low) * width + before,
                                          width, 1, LANES, &count);
    return (FrameOfDy){{width, (high - low) * width},          -low, before, rows.first * dy.shape[3],
                       (rows.last - rows.first) * dy.shape[3], cells};
}

/* a mod b, at least 0 */
INLINE int64_t remainder_of(int64_t a, int64_t b) { return (a % b + b) % b; }

static Phases phases_of(Array w, Array dx, const FrameOfDy *frame, int64_t outs, Window window)
{
    int64_t down = window.stride[0], along = window.stride[1], count = down * along, size = size_from(w, 2);
    int64_t longest = size_from(dx, 2) + count * OUTPUTS, tap = 0, cell = 0, width = frame->layout.width;
    int64_t top = window.padding[0][0], left = window.padding[1][0];
    Phases p = {integers(outs * size), integers(outs * size), integers(longest),
                integers(longest),     integers(count + 1),   integers(count + 1)};
    p.first_tap[0] = p.first_cell[0] = 0;
    for (int64_t phase = 0; phase < count; phase++) {
        for (int64_t k = 0; k < outs * size; k++) {
            int64_t o = k / size, place = k % size;
            int64_t u = place / w.shape[3] * window.dilation[0], v = place % w.shape[3] * window.dilation[1];
            if (u % down != phase / along || v % along != phase % along) continue;
            p.taps[tap] = (o * frame->layout.plane - u / down * width - v / along) * LANES;
            p.order[tap++] = o * w.shape[1] * size + (window.flip ? size - 1 - place : place);
        }
        for (int64_t i = remainder_of(phase / along - top, down); i < dx.shape[2]; i += down) {
            for (int64_t j = remainder_of(phase % along - left, along); j < dx.shape[3]; j += along) {
                int64_t row = frame->row + (top + i) / down, column = frame->column + (left + j) / along;
                p.inputs[cell] = (row * width + column) * LANES;
                p.sums[cell++] = (i * dx.shape[3] + j) * LANES;
            }
        }
        for (; p.first_cell[phase] < cell && cell < p.first_cell[phase] + OUTPUTS; cell++) { /* fill a tile */
            p.inputs[cell] = p.inputs[cell - 1];
            p.sums[cell] = p.sums[cell - 1];
        }
        p.first_tap[phase + 1] = tap;
        p.first_cell[phase + 1] = cell;
    }
    return p;
}

/* The sums of one phase of dx, as vectors of channels: output q at sums[sum_offsets[q]]. */
SEPARATE void sum_phase(const real *rows, const Phases *p, int64_t phase, const real *weights, real *sums)
{
    LaneEpilogue epilogue = {{0}, {0}, false, -(real)INFINITY, (real)INFINITY};
    int64_t first = p->first_tap[phase], taps = p->first_tap[phase + 1] - first, end = p->first_cell[phase + 1];
    for (int64_t t = p->first_cell[phase]; t < end; t += OUTPUTS) {
        int64_t q = min64(t, end - OUTPUTS);
        vec tile[OUTPUTS];
        sum_tile(rows, p->inputs + q, p->taps + first, taps, weights + first * LANES, &epilogue, tile);
        EACH(b, OUTPUTS) put(sums + p->sums[q + b], tile[b]);
    }
}

/* y[channels[k] + q] = sums[q·LANES + k] for q < count */
static void separate_channels(const real *sums, int64_t count, real *y, const int64_t *channels)
{
    for (int64_t t = 0; t < count; t += OUTPUTS) {
        int64_t p = max64(min64(t, count - OUTPUTS), 0);
        vec tile[OUTPUTS];
        Lanes shifted;
        EACH(k, LANES) shifted[k] = channels[k] + p;
        EACH(b, OUTPUTS) tile[b] = at(sums + (p + b) * LANES);
        store_transposed(tile, y, shifted, count);
    }
}

/* dx[c, s·q + r] = Σ_{o, d·u ≡ r} w[o, c, u] dy[o, q − d·u // s] on both axes, for phase r: dy (N, C_out, H', W'),
 * w (C_out, C/groups, KH, KW), dx (N, C, H, W). */
KERNEL(correlate_few_dx)
{
    Array dy = arrays[0], w = arrays[1], dx = arrays[2];
    Window window = window_of(numbers);
    int64_t outs = dy.shape[1] / window.groups, ins = w.shape[1], size = size_from(w, 2);
    int64_t inside = size_from(dx, 2), outside = size_from(dy, 2);
    bool direct = window.stride[0] == 1 && window.stride[1] == 1;
    FrameOfDy frame = frame_of_dy(dy, w, dx, window);
    Phases phases = phases_of(w, dx, &frame, outs, window);
    real *rows = zeros(outs * frame.layout.plane * LANES), *weights = reals(outs * size * LANES);
    real *sums = direct ? NULL : zeros(max64(inside, OUTPUTS) * LANES);
    LaneEpilogue none = {{0}, {0}, false, -(real)INFINITY, (real)INFINITY};
    for (int64_t first = 0; first < dx.shape[1]; first += LANES) {
        Lanes inputs, results, starts;
        EACH(k, LANES) {
            int64_t c = min64(first + k, dx.shape[1] - 1), o = c / ins * outs; /* the first filter of the group */
            inputs[k] = o * outside + frame.start;
            results[k] = c * inside;
            starts[k] = (o * ins + c % ins) * size;
        }
        pack_weights(w.at, starts, phases.order, outs * size, weights);
        for (int64_t n = 0; n < dy.shape[0]; n++) {
            real *image = (real *)dx.at + n * dx.shape[1] * inside;
            for (int64_t o = 0; o < outs; o++)
                lay_side_by_side((const real *)dy.at + (n * dy.shape[1] + o) * outside, inputs,
                                 rows + o * frame.layout.plane * LANES, frame.cells, frame.copied);
            if (direct) {
                sum_taps(rows, phases.inputs, phases.taps, outs * size, weights, &none, image, results, inside);
                continue;
            }
            for (int64_t phase = 0; phase < window.stride[0] * window.stride[1]; phase++)
                sum_phase(rows, &phases, phase, weights, sums);
            separate_channels(sums, inside, image, results);
        }
    }
    return DONE;
}

/* vectors[t] += Σ_p upstream[p] · (input of output p under tap t), for the taps of whole tiles. */
SEPARATE void add_tap_products(const Frame *frame, const int64_t *taps, int64_t tap_count, const real *upstream,
                               int64_t outputs, real *vectors)
{
    for (int64_t t = 0; t < tap_count; t += TAPS) {
        vec tile[TAPS]; /* the sums of one image; a single sum over all images would be less exact */
        EACH(b, TAPS) tile[b] = (vec){0};
        for (int64_t p = 0; p < outputs; p++) {
            const real *cell = frame->rows + frame->outputs[p];
            vec slope = at(upstream + p * LANES);
            EACH(b, TAPS) tile[b] += at(cell + taps[t + b]) * slope;
        }
        EACH(b, TAPS) put(vectors + (t + b) * LANES, at(vectors + (t + b) * LANES) + tile[b]);
    }
}

/* dw += x ⋆ dy, summed over the samples: x (N, C, H, W), dy (N, C_out, H', W'), dw (C_out, C/groups, KH, KW). */
KERNEL(correlate_few_dw)
{
    Array x = arrays[0], dy = arrays[1], dw = arrays[2];
    Window window = window_of(numbers);
    int64_t outs = dy.shape[1] / window.groups, ins = dw.shape[1], taps = size_from(dw, 1), count;
    int64_t inside = size_from(x, 2), outside = size_from(dy, 2), tiled = round_up(taps, TAPS);
    Frame frame = frame_of(x, dw, dy, window);
    int64_t *ahead = integers(tiled), *cells = vector_offsets(1, max64(outside, LANES), 0, 0, 1, 0, &count);
    for (int64_t t = 0; t < tiled; t++) ahead[t] = frame.taps[min64(t, taps - 1)];
    real *upstream = reals(count * LANES), *vectors = reals(tiled * LANES), *gradient = dw.at;
    for (int64_t first = 0; first < dy.shape[1]; first += LANES) {
        Lanes inputs, slopes;
        EACH(k, LANES) {
            int64_t o = min64(first + k, dy.shape[1] - 1);
            inputs[k] = o / outs * ins * inside + frame.start;
            slopes[k] = o * outside;
        }
        memset(vectors, 0, (size_t)(tiled * LANES) * sizeof(real));
        for (int64_t n = 0; n < x.shape[0]; n++) {
            lay_side_by_side((const real *)dy.at + n * dy.shape[1] * outside, slopes, upstream, cells, outside);
            for (int64_t c = 0; c < ins; c++)
                lay_side_by_side((const real *)x.at + (n * x.shape[1] + c) * inside, inputs,
                                 frame.rows + c * frame.plane, frame.cells, frame.copied);
            add_tap_products(&frame, ahead, tiled, upstream, outside, vectors);
        }
        for (int64_t k = 0; k < min64(LANES, dy.shape[1] - first); k++)
            for (int64_t t = 0; t < taps; t++) gradient[(first + k) * taps + t] += vectors[t * LANES + k];
    }
    return DONE;
}
