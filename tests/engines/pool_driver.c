/* Loops of random sizes on random numbers of threads, from two threads that share the pool, and in a forked process. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime.h"

int chainrule_start_threads(int count);

enum { MOST = 97, LOOPS = 3000 };

typedef struct {
    int64_t runs[MOST]; /* of each iteration; not atomic: the pool must order what threads write */
    unsigned seed;
    bool failed;
} Counts;

static void count(void *context, int64_t k, int thread)
{
    (void)thread;
    ((Counts *)context)->runs[k]++;
}

static void *call(void *context)
{
    Counts *counts = context;
    for (int loop = 0; loop < LOOPS; loop++) {
        int iterations = rand_r(&counts->seed) % MOST, threads = 1 + rand_r(&counts->seed) % 6;
        memset(counts->runs, 0, sizeof counts->runs);
        share_out(count, counts, iterations, threads);
        for (int k = 0; k < MOST; k++) counts->failed |= counts->runs[k] != (k < iterations);
        if (loop % 500 == 0) usleep(30000); /* let the threads fall asleep */
    }
    return NULL;
}

int main(void)
{
    Counts counts[2] = {{.seed = (unsigned)getpid()}, {.seed = (unsigned)getpid() + 1}};
    pthread_t other;
    chainrule_start_threads(5);
    pthread_create(&other, NULL, call, &counts[1]);
    call(&counts[0]);
    pthread_join(other, NULL);
    int status = 0;
#ifndef RACES /* the detector of races cannot fork */
    pid_t child = fork();
    if (child == 0) {
        call(&counts[0]);
        _exit(counts[0].failed);
    }
    waitpid(child, &status, 0);
#endif
    return counts[0].failed || counts[1].failed || status;
}
