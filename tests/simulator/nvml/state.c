/* Keeps the newest reading of the state file, and finds out which device nodes this process can see. */
#define _GNU_SOURCE
#include "state.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char DEFAULT_STATE_FILE[] = "/run/gpudock-simulator/state";
static const char DEFAULT_DEVICE_DIRECTORY[] = "/dev";
static const double FRESH_FOR_S = 0.002;
static const off_t MAX_FILE_BYTES = 4 << 20;

static struct state *current;
static bool file_missing;
static struct stat seen;
static double looked_at = -1;

static const char *setting(const char *name, const char *otherwise)
{
    const char *given = getenv(name);
    return given && *given ? given : otherwise;
}

static double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double value_now(const struct value *value)
{
    if (!value->known)
        return 0;
    if (value->period_s <= 0)
        return value->low;
    double turn = (clock_seconds() + value->phase_s) / value->period_s;
    double middle = (value->low + value->high) / 2;
    return middle + (value->high - value->low) / 2 * sin(2 * M_PI * (turn - floor(turn)));
}

nvml_u64 value_whole(const struct value *value)
{
    double number = round(value_now(value));
    if (number <= 0)
        return 0;
    return number >= 9e18 ? (nvml_u64)9e18 : (nvml_u64)number;
}

static bool node_exists(const char *format, unsigned int number)
{
    char path[PATH_MAX], name[64];
    snprintf(name, sizeof name, format, number);
    int length = snprintf(path, sizeof path, "%s/%s", setting("GPUDOCK_SIMULATOR_DEV", DEFAULT_DEVICE_DIRECTORY), name);
    return length > 0 && (size_t)length < sizeof path && access(path, F_OK) == 0;
}

/* A container has nodes only for what it was given; real NVML too shows a process no more than those. */
static void find_nodes(struct state *state)
{
    state->visible_count = 0;
    for (unsigned int i = 0; i < state->gpu_count; i++) {
        struct gpu *gpu = &state->gpus[i];
        gpu->visible = node_exists("nvidia%u", gpu->minor);
        if (gpu->visible)
            state->visible[state->visible_count++] = i;
    }
    for (unsigned int i = 0; i < state->slice_count; i++) {
        struct slice *slice = &state->slices[i];
        slice->visible = state->gpus[slice->gpu].visible && state->gpus[slice->gpu].mig == 1 &&
                         node_exists("nvidia-caps/nvidia-cap%u",
                                     (unsigned int)value_whole(&slice->gpu_instance_capability)) &&
                         node_exists("nvidia-caps/nvidia-cap%u",
                                     (unsigned int)value_whole(&slice->compute_instance_capability));
    }
}

static char *read_all(int file, off_t size)
{
    char *text = malloc((size_t)size + 1);
    off_t length = 0;
    while (text && length < size) {
        ssize_t got = read(file, text + length, (size_t)(size - length));
        if (got <= 0)
            break;
        length += got;
    }
    if (text)
        text[length] = '\0';
    if (text && strlen(text) != (size_t)length) {
        free(text); /* a NUL byte: not a text file */
        return NULL;
    }
    return text;
}

static void load(const char *path)
{
    free(current);
    current = NULL;
    memset(&seen, 0, sizeof seen);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    file_missing = file < 0;
    if (file < 0)
        return;
    if (fstat(file, &seen) == 0 && S_ISREG(seen.st_mode) && seen.st_size <= MAX_FILE_BYTES) {
        char *text = read_all(file, seen.st_size);
        struct state *fresh = calloc(1, sizeof *fresh);
        if (text && fresh && state_parse(text, fresh)) {
            find_nodes(fresh);
            current = fresh;
        } else {
            free(fresh);
        }
        free(text);
    }
    close(file);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

const struct state *state_current(bool now, bool *missing)
{
    double moment = monotonic_seconds();
    if (now || looked_at < 0 || moment - looked_at > FRESH_FOR_S) {
        const char *path = setting("GPUDOCK_SIMULATOR_STATE", DEFAULT_STATE_FILE);
        struct stat present;
        looked_at = moment;
        if (stat(path, &present) != 0)
            memset(&present, 0, sizeof present);
        if (present.st_ino == 0 || !same_file(&present, &seen))
            load(path);
        else if (now && current)
            find_nodes(current);
    }
    *missing = file_missing;
    return current;
}
