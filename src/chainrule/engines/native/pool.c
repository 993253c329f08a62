/* Threads that share the iterations of loops.
 *
 * Each thread first runs the iterations of its own range, whose data may be in its cache, and then those that other
 * threads have not started: if a thread is suspended, the others do its work. Which thread runs an iteration does not
 * change its result.
 *
 * To claim an iteration, a thread decrements the counter of a range. A counter has the number of the loop and, in its
 * low bits, how many iterations are left. What describes a loop changes only after all of its iterations are done. So
 * a late thread finds no iteration, or the number of another loop, and never runs an iteration by mistake. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "runtime.h"

enum { MOST_THREADS = 1024, COUNTER_BITS = 20, SPIN_NANOSECONDS = 60000, SPINS_PER_LOOK = 16, MOST_YIELDS = 10000 };
#define APART _Alignas(2 * LINE) /* written by different threads: two cache lines, which processors fetch together */

/* Where a thread sleeps until it is woken. */
typedef struct {
    APART atomic_bool asleep;
    bool woken; /* guarded by the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} Bed;

typedef struct {
    APART atomic_int_fast64_t counter; /* of its range */
    Bed bed;
} Worker;

static struct {
    APART atomic_int_fast64_t loop; /* number of the current loop; what follows describes it */
    _Atomic(Iteration) run;
    _Atomic(void *) context;
    atomic_int_fast64_t count;
    atomic_int ranges;
    APART atomic_int_fast64_t done; /* iterations of the loop */
    APART atomic_bool busy;
    APART atomic_int started; /* threads, including the caller; 0 before the first use */
    atomic_int wanted;        /* threads that a forked process starts again */
    pthread_mutex_t starting;
    Worker workers[MOST_THREADS]; /* number 0 is the caller, whichever thread that is */
} pool = {.starting = PTHREAD_MUTEX_INITIALIZER};

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void make_bed(Bed *bed)
{
    bed->asleep = bed->woken = false;
    pthread_mutex_init(&bed->mutex, NULL);
    pthread_cond_init(&bed->changed, NULL);
}

static void sleep_in(Bed *bed)
{
    pthread_mutex_lock(&bed->mutex);
    while (!bed->woken) pthread_cond_wait(&bed->changed, &bed->mutex);
    bed->woken = false;
    pthread_mutex_unlock(&bed->mutex);
}

static void wake(Bed *bed)
{
    if (!bed->asleep || !atomic_exchange(&bed->asleep, false)) return;
    pthread_mutex_lock(&bed->mutex);
    bed->woken = true;
    pthread_cond_signal(&bed->changed);
    pthread_mutex_unlock(&bed->mutex);
}

/* Wait while a word has this value (or, if not `equal`, another one). A loop in a program is shorter than the time to
 * wake a thread, so the thread first spins. Then it yields for some milliseconds, because a virtual machine may take
 * the processor away from a thread that sleeps. */
static void wait_while(atomic_int_fast64_t *word, int64_t value, bool equal, Bed *bed)
{
    for (;;) {
        int64_t end = nanoseconds() + SPIN_NANOSECONDS;
        do {
            for (int spin = 0; spin < SPINS_PER_LOOK; spin++) {
                if ((*word == value) != equal) return;
#if defined(__x86_64__)
                _mm_pause();
#endif
            }
        } while (nanoseconds() < end);
        for (int yields = 0; yields < MOST_YIELDS; yields++) {
            if ((*word == value) != equal) return;
            sched_yield();
        }
        /* Whoever changes the word looks at the flag afterwards: either this thread sees the change, or that thread the
         * flag. */
        bed->asleep = true;
        if ((*word == value) != equal && atomic_exchange(&bed->asleep, false)) return;
        sleep_in(bed);
    }
}

static void take_turns(int thread, int64_t loop)
{
    Iteration run = atomic_load(&pool.run);
    void *context = atomic_load(&pool.context);
    int64_t count = pool.count;
    int ranges = pool.ranges;
    for (int step = 0; thread < ranges && step < ranges; step++) {
        int range = (thread + step) % ranges;
        int64_t end = (range + 1) * count / ranges;
        int_fast64_t counter = pool.workers[range].counter;
        for (;;) {
            int64_t left = counter & ((1 << COUNTER_BITS) - 1);
            if (counter >> COUNTER_BITS != loop || !left) break;
            if (!atomic_compare_exchange_weak(&pool.workers[range].counter, &counter, counter - 1)) continue;
            run(context, end - left, thread);
            if (atomic_fetch_add(&pool.done, 1) + 1 == count) wake(&pool.workers[0].bed);
            counter = pool.workers[range].counter;
        }
    }
}

static void *work(void *number)
{
    int thread = (int)(intptr_t)number;
    int64_t loop = 0;
    flush_denormals();
    for (;;) {
        wait_while(&pool.loop, loop, true, &pool.workers[thread].bed);
        loop = pool.loop;
        take_turns(thread, loop);
    }
    return NULL;
}

/* A process that was just forked has one thread. */
static void forget(void)
{
    pool.loop = 0;
    pool.busy = false;
    if (pool.started) pool.started = 1;
    for (int thread = 0; thread < MOST_THREADS && pool.started; thread++) {
        pool.workers[thread].counter = 0;
        make_bed(&pool.workers[thread].bed);
    }
    pthread_mutex_init(&pool.starting, NULL);
}

/* Start threads until there are `count` in total, and return how many there are: fewer if no more can be started. */
int chainrule_start_threads(int count)
{
    if (count <= pool.started) return pool.started;
    pthread_mutex_lock(&pool.starting);
    if (!pool.started) {
        for (int thread = 0; thread < MOST_THREADS; thread++) make_bed(&pool.workers[thread].bed);
        pthread_atfork(NULL, NULL, forget);
        pool.started = 1;
    }
    while (pool.started < count && pool.started < MOST_THREADS) {
        pthread_t made;
        if (pthread_create(&made, NULL, work, (void *)(intptr_t)pool.started)) break;
        pthread_detach(made);
        pool.started++;
    }
    pool.wanted = pool.started;
    pthread_mutex_unlock(&pool.starting);
    return pool.started;
}

void share_out(Iteration run, void *context, int64_t count, int threads)
{
    int most = (int)min64(threads, pool.wanted);
    int ranges = (int)min64(count, most > pool.started ? chainrule_start_threads(most) : most);
    if (ranges < 2 || atomic_exchange(&pool.busy, true)) { /* another thread's loop is running */
        for (int64_t k = 0; k < count; k++) run(context, k, 0);
        return;
    }
    /* Published by the change of the loop's number. */
    atomic_store_explicit(&pool.run, run, memory_order_relaxed);
    atomic_store_explicit(&pool.context, context, memory_order_relaxed);
    atomic_store_explicit(&pool.count, count, memory_order_relaxed);
    atomic_store_explicit(&pool.ranges, ranges, memory_order_relaxed);
    atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
    int64_t loop = pool.loop + 1;
    for (int range = 0; range < ranges; range++) {
        int64_t own = (range + 1) * count / ranges - range * count / ranges;
        atomic_store_explicit(&pool.workers[range].counter, loop << COUNTER_BITS | own, memory_order_relaxed);
    }
    pool.loop = loop;
    for (int range = 1; range < ranges; range++) wake(&pool.workers[range].bed);
    take_turns(0, loop);
    wait_while(&pool.done, count, false, &pool.workers[0].bed);
    atomic_store_explicit(&pool.busy, false, memory_order_release);
}
