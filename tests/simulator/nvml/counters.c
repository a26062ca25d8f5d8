/* Counts calls in a file that all processes share, so that a benchmark can say how much NVML a design uses.
 *
 * The file is an array of records; a record belongs to the function whose name is in it, and a record with no name ends
 * the array. simulator/library.py reads it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"

enum { MAX_COUNTERS = 512, NAME_SIZE = 56 };

struct counter {
    char function[NAME_SIZE];
    nvml_u64 calls;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct counter *counters;
static int counter_file = -1;

static void map_counters(void)
{
    const char *path = getenv("GPUDOCK_SIMULATOR_CALLS");
    size_t size = MAX_COUNTERS * sizeof(struct counter);
    if (!path || !*path)
        return;
    counter_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (counter_file < 0 || ftruncate(counter_file, (off_t)size) != 0)
        return;
    void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, counter_file, 0);
    if (mapping != MAP_FAILED)
        counters = mapping;
}

/* The record of a function; a new one is claimed under a lock that holds between processes. */
static int find_slot(const char *function)
{
    int found = -1;
    flock(counter_file, LOCK_EX);
    for (int i = 0; i < MAX_COUNTERS && found < 0; i++) {
        if (counters[i].function[0] == '\0')
            strncpy(counters[i].function, function, NAME_SIZE - 1);
        if (strncmp(counters[i].function, function, NAME_SIZE - 1) == 0)
            found = i;
    }
    flock(counter_file, LOCK_UN);
    return found;
}

void count_call(const char *function, int *slot)
{
    pthread_once(&once, map_counters);
    if (!counters)
        return;
    int known = __atomic_load_n(slot, __ATOMIC_RELAXED); /* position + 1, 0 before the first call */
    if (known == 0) {
        int found = find_slot(function);
        if (found < 0)
            return;
        known = found + 1;
        __atomic_store_n(slot, known, __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&counters[known - 1].calls, 1, __ATOMIC_RELAXED);
}
