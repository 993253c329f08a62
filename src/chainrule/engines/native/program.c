/* Programs: tables of steps, which are calls of kernels.
 *
 * A table consists of loops, which are run one after another. The threads share the iterations of a loop. In each
 * iteration, the segments of the loop are run one after another: each has a range of samples, rows or elements that
 * depends on the iteration, and runs its steps for every block of it. `tables.py` writes these structures. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "runtime.h"

enum { MOST_ARRAYS = 16, MOST_NUMBERS = 64 }; /* of a step */

/* An array of memory with several rows: one per thread, iteration or training step. */
typedef enum { ONE_ROW, PER_THREAD, PER_ITERATION, PER_TRAINING_STEP } Rows;
/* What offsets in a buffer are multiplied by: the number of samples in its arrays. */
typedef enum { NO_SAMPLES, ALL_SAMPLES, SAMPLES_OF_CHUNK } Room;

typedef struct {
    char *at;
    int64_t row, item; /* bytes */
    int64_t rows, room;
} Buffer;

/* The ranges that operands and numbers of a step may follow. */
typedef enum { NOTHING, BLOCK, BATCH, ITERATION, CHUNKS, RANGES } Follows;

/* An array argument. It begins `offset` elements after the start of its buffer and, for each index before its range,
 * `stride` elements further. `axis` is the axis with an element per index of the range; −1: none. */
typedef struct {
    int64_t buffer, offset, stride, follows, axis, axes;
    int64_t shape[AXES];
} ArrayArgument;

/* Numbers that change from call to call. From RATE on they are doubles or integers that are passed as they are. */
typedef enum { SEED, STEP, BATCH_SIZE, AHEAD, FIRST, BEGIN, END, NUMBER_OF_ITERATION, RATE, SCALE, OPTIONS } RunValue;

/* Entry `index` of a step's numbers is factor · value + offset. */
typedef struct {
    int64_t index, value, factor, offset;
} Variable;

typedef struct {
    Kernel kernel;
    int64_t first_operand, operands, first_number, numbers, first_variable, variables;
    int64_t column; /* of the times */
} KernelCall;

/* The range of a segment: all samples, a chunk of the samples, or a share of `entries` (or `entries` for each sample)
 * in multiples of `size`. A segment without a range runs once, or only in iteration number `entries`. */
typedef enum { ONCE, IN_ITERATION, SAMPLES, CHUNK, SHARE, SHARE_OF_SAMPLES } RangeKind;

typedef struct {
    int64_t first_step, steps, division, entries, size, block;
} RangeSegment;

/* How many iterations a loop has: `iterations`, or one of these. */
typedef enum { EACH_CHUNK = -1, EACH_THREAD = -2, EACH_PART = -3 } Iterations;

typedef struct {
    int64_t first_segment, segments, iterations;
    int64_t team; /* of threads: 0 computes the batch, 1 updates the parameters */
} Loop;

typedef struct {
    int64_t loops;
    const Loop *loop;
    const RangeSegment *segment;
    const KernelCall *step;
    const ArrayArgument *operand;
    const Number *number;
    const Variable *variable;
} Table;

typedef struct {
    const Buffer *buffers;
    const int64_t *edges;                   /* first sample of each chunk, and the number of samples */
    int64_t chunks, samples, chunk;         /* samples: of the batch; chunk: of the largest chunk */
    int64_t threads[2], parts[2];           /* of each team */
    int64_t seed, step, whole_batch, ahead; /* of a shard: samples of the batch, and those before the shard */
    int64_t training_steps;
    const double *rates;
    const double *outcomes; /* (training steps, 4): the last column is the factor of the gradient */
    const Number *options;
    double *times; /* (threads, columns); NULL: nothing is measured */
    int64_t columns;
} TableRun;

/* Columns of the times: last time stamp, waiting for other threads, what belongs to no step. */
enum { STAMP, WAITING, REST };

int64_t chainrule_ticks(void)
{
#if defined(__x86_64__)
    return (int64_t)__rdtsc();
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
#endif
}

/* Add the time since the last stamp of this thread to a column. */
static void stamp(const TableRun *run, int thread, int64_t column)
{
    double *times = run->times + thread * run->columns;
    double now = (double)chainrule_ticks();
    if (column != STAMP) times[column] += now - times[STAMP];
    times[STAMP] = now;
}

/* A loop that is being run. */
typedef struct {
    const Table *table;
    const TableRun *run;
    const Loop *loop;
    int64_t iterations, training_step;
    atomic_int status;
} Job;

/* Where a thread is: its row of buffers, the ranges, and the values of numbers. */
typedef struct {
    const Job *job;
    int thread;
    int64_t row[4];
    int64_t begin[RANGES], end[RANGES];
    int64_t chunk_begin;
    int64_t values[RATE];
} Place;

static Array array_at(const Place *place, const ArrayArgument *operand)
{
    const TableRun *run = place->job->run;
    const Buffer *buffer = &run->buffers[operand->buffer];
    const int64_t rooms[] = {1, run->samples, run->chunk};
    int64_t index = place->begin[operand->follows];
    if (buffer->room == SAMPLES_OF_CHUNK) index -= place->chunk_begin;
    int64_t element = operand->offset * rooms[buffer->room] + operand->stride * index;
    Array array = {buffer->at + buffer->row * place->row[buffer->rows] + buffer->item * element, operand->axes, {0}};
    memcpy(array.shape, operand->shape, sizeof array.shape);
    if (operand->axis >= 0) array.shape[operand->axis] = place->end[operand->follows] - place->begin[operand->follows];
    return array;
}

static Number value_of(const Place *place, const Variable *variable)
{
    const Job *job = place->job;
    int64_t value = variable->value;
    if (value >= OPTIONS) return job->run->options[value - OPTIONS];
    if (value == RATE) return (Number){.f = job->run->rates[job->training_step]};
    if (value == SCALE) return (Number){.f = job->run->outcomes[4 * job->training_step + 3]};
    return (Number){.i = variable->factor * place->values[value] + variable->offset};
}

static Status run_step(const Place *place, const KernelCall *step)
{
    const Table *table = place->job->table;
    Array arrays[MOST_ARRAYS];
    Number own[MOST_NUMBERS];
    const Number *numbers = table->number + step->first_number;
    for (int64_t k = 0; k < step->operands; k++) {
        const ArrayArgument *operand = &table->operand[step->first_operand + k];
        arrays[k] = operand->buffer < 0 ? (Array){NULL, 0, {1, 1, 1, 1, 1, 1}} : array_at(place, operand);
    }
    if (step->variables) {
        memcpy(own, numbers, (size_t)step->numbers * sizeof(Number));
        for (int64_t k = 0; k < step->variables; k++) {
            const Variable *variable = &table->variable[step->first_variable + k];
            own[variable->index] = value_of(place, variable);
        }
        numbers = own;
    }
    Status status = chainrule_call(step->kernel, arrays, numbers);
    if (place->job->run->times) stamp(place->job->run, place->thread, step->column);
    return status;
}

/* Run the steps of a segment for the range begin to end − 1. */
static Status run_block(Place *place, const RangeSegment *segment, int64_t begin, int64_t end)
{
    Status status = DONE;
    place->begin[BLOCK] = place->values[BEGIN] = begin;
    place->end[BLOCK] = place->values[END] = end;
    place->values[FIRST] = place->values[AHEAD] + begin;
    const KernelCall *step = place->job->table->step + segment->first_step;
    for (int64_t k = 0; k < segment->steps && status == DONE; k++) status = run_step(place, step + k);
    return status;
}

static Status run_segment(Place *place, const RangeSegment *segment)
{
    const TableRun *run = place->job->run;
    int64_t k = place->begin[ITERATION], iterations = place->job->iterations;
    int64_t begin = 0, end = run->samples, entries = segment->entries;
    switch ((RangeKind)segment->division) {
    case IN_ITERATION:
        if (k != entries) return DONE; /* fall through */
    case ONCE:
        return run_block(place, segment, begin, end);
    case SAMPLES:
        break;
    case CHUNK:
        begin = run->edges[k];
        end = run->edges[k + 1];
        break;
    case SHARE_OF_SAMPLES:
        entries *= run->samples; /* fall through */
    case SHARE: {
        int64_t parts = ceil_div(entries, segment->size);
        begin = min64(entries, k * parts / iterations * segment->size);
        end = min64(entries, (k + 1) * parts / iterations * segment->size);
        break;
    }
    }
    Status status = DONE;
    place->chunk_begin = begin;
    for (int64_t s = begin; s < end && status == DONE; s += segment->block) {
        status = run_block(place, segment, s, s + min64(segment->block, end - s));
    }
    return status;
}

static void run_iteration(void *context, int64_t k, int thread)
{
    Job *job = context;
    const TableRun *run = job->run;
    Place place = {.job = job, .thread = thread, .row = {0, thread, k, job->training_step}};
    if (atomic_load_explicit(&job->status, memory_order_relaxed) != DONE) return;
    if (run->times) stamp(run, thread, WAITING);
    place.end[BATCH] = run->samples;
    place.end[CHUNKS] = run->chunks;
    place.begin[ITERATION] = place.values[NUMBER_OF_ITERATION] = k;
    place.end[ITERATION] = k + 1;
    place.values[SEED] = run->seed;
    place.values[STEP] = run->step + job->training_step;
    place.values[BATCH_SIZE] = run->whole_batch;
    place.values[AHEAD] = run->ahead;
    Status status = DONE;
    const RangeSegment *segment = job->table->segment + job->loop->first_segment;
    for (int64_t s = 0; s < job->loop->segments && status == DONE; s++) status = run_segment(&place, segment + s);
    if (status != DONE) atomic_store(&job->status, status);
}

static Status run_loop(const Table *table, const TableRun *run, const Loop *loop, int64_t training_step)
{
    int64_t threads = run->threads[loop->team], iterations = loop->iterations;
    if (iterations == EACH_CHUNK) iterations = run->chunks;
    if (iterations == EACH_THREAD) iterations = threads;
    if (iterations == EACH_PART) iterations = run->parts[loop->team];
    Job job = {table, run, loop, iterations, training_step, DONE};
    if (iterations == 1) run_iteration(&job, 0, 0);
    else share_out(run_iteration, &job, iterations, (int)threads);
    return (Status)job.status;
}

/* Run a program, or as many training steps as the run has. */
Status chainrule_run(const Table *table, const TableRun *run)
{
    unsigned before = flush_denormals();
    Status status = DONE;
    if (run->times) stamp(run, 0, STAMP);
    for (int64_t step = 0; step < run->training_steps && status == DONE; step++) {
        for (int64_t l = 0; l < table->loops && status == DONE; l++) {
            status = run_loop(table, run, table->loop + l, step);
        }
    }
    if (run->times) stamp(run, 0, REST);
    restore_denormals(before);
    return status;
}
