#define _GNU_SOURCE
#include "calls.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_HANDLES = 1024 };

struct nvml_handle {
    char uuid[TEXT_SIZE];
    double energy_mj, energy_until;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int openings; /* nvmlInit calls without their nvmlShutdown */
static struct nvml_handle handles[MAX_HANDLES];
static unsigned int handle_count;

static void sleep_ms(double milliseconds)
{
    struct timespec time = {(time_t)(milliseconds / 1e3), (long)(fmod(milliseconds, 1e3) * 1e6)};
    nanosleep(&time, NULL);
}

static double delay_of(const struct state *state, const char *function)
{
    double delay = 0;
    for (unsigned int i = 0; state && i < state->slow_count; i++)
        if (!*state->slow[i].function || strcmp(state->slow[i].function, function) == 0)
            delay = fmax(delay, state->slow[i].milliseconds);
    return delay;
}

static const double HANG_CHECK_MS = 5;

static bool hangs(const struct state *state, const char *function)
{
    return state && *state->hang && (strcmp(state->hang, "all") == 0 || strcmp(state->hang, function) == 0);
}

/* Takes the lock with the newest state, after the delays that the state wants; nobody sleeps with the lock held. */
static const struct state *enter(const char *function, bool opening, bool *missing)
{
    bool delayed = false;
    for (;;) {
        pthread_mutex_lock(&lock);
        const struct state *state = state_current(opening, missing);
        double delay = hangs(state, function) ? HANG_CHECK_MS : delayed ? 0 : delay_of(state, function);
        if (delay <= 0)
            return state;
        delayed = delayed || !hangs(state, function);
        pthread_mutex_unlock(&lock);
        sleep_ms(delay);
    }
}

struct call call_begin_anyway(const char *function, int *slot)
{
    struct call call = {NVML_SUCCESS, NULL, NULL, NULL};
    bool missing;
    count_call(function, slot);
    call.state = enter(function, false, &missing);
    return call;
}

struct call call_begin(const char *function, int *slot)
{
    struct call call = call_begin_anyway(function, slot);
    if (openings == 0)
        call.refusal = NVML_ERROR_UNINITIALIZED;
    else
        call.refusal = call.state ? call.state->fault : NVML_ERROR_UNKNOWN;
    return call;
}

static void find_device(struct call *call, const char *uuid)
{
    const struct state *state = call->state;
    for (unsigned int i = 0; i < state->gpu_count && !call->gpu; i++)
        if (state->gpus[i].visible && strcmp(state->gpus[i].uuid, uuid) == 0)
            call->gpu = &state->gpus[i];
    for (unsigned int i = 0; i < state->slice_count && !call->gpu; i++) {
        if (state->slices[i].visible && strcmp(state->slices[i].uuid, uuid) == 0) {
            call->slice = &state->slices[i];
            call->gpu = &state->gpus[call->slice->gpu];
        }
    }
}

struct call call_begin_device(const char *function, int *slot, nvmlDevice_t handle)
{
    struct call call = call_begin(function, slot);
    if (call.refusal != NVML_SUCCESS)
        return call;
    uintptr_t offset = (uintptr_t)handle - (uintptr_t)handles;
    if (offset >= handle_count * sizeof *handles || offset % sizeof *handles != 0) {
        call.refusal = NVML_ERROR_INVALID_ARGUMENT;
        return call;
    }
    find_device(&call, handle->uuid);
    while (call.gpu && call.gpu->fault == FAULT_HANGING) {
        pthread_mutex_unlock(&lock);
        sleep_ms(HANG_CHECK_MS);
        bool missing;
        call.gpu = NULL;
        call.slice = NULL;
        call.state = enter(function, false, &missing);
        call.refusal = call.state ? call.state->fault : NVML_ERROR_UNKNOWN;
        if (call.refusal != NVML_SUCCESS)
            return call;
        find_device(&call, handle->uuid);
    }
    /* A GPU that left the state, or whose node went away, is one that fell off the bus. */
    call.refusal = call.gpu ? (nvmlReturn_t)call.gpu->fault : NVML_ERROR_GPU_IS_LOST;
    return call;
}

struct call call_begin_gpu(const char *function, int *slot, nvmlDevice_t handle)
{
    struct call call = call_begin_device(function, slot, handle);
    if (call.refusal == NVML_SUCCESS && call.slice)
        call.refusal = NVML_ERROR_NOT_SUPPORTED;
    return call;
}

void call_end(struct call *call)
{
    (void)call;
    pthread_mutex_unlock(&lock);
}

nvmlReturn_t library_open(const char *function, int *slot)
{
    bool missing;
    count_call(function, slot);
    const struct state *state = enter(function, true, &missing);
    nvmlReturn_t result = state ? state->fault : missing ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_ERROR_UNKNOWN;
    if (result == NVML_SUCCESS)
        openings++;
    pthread_mutex_unlock(&lock);
    return result;
}

const struct gpu *gpu_of(const struct state *state, nvmlDevice_t handle)
{
    uintptr_t offset = (uintptr_t)handle - (uintptr_t)handles;
    if (offset >= handle_count * sizeof *handles || offset % sizeof *handles != 0)
        return NULL;
    for (unsigned int i = 0; i < state->gpu_count; i++)
        if (state->gpus[i].visible && strcmp(state->gpus[i].uuid, handle->uuid) == 0)
            return &state->gpus[i];
    return NULL;
}

nvmlReturn_t library_close(const char *function, int *slot)
{
    nvmlReturn_t result = NVML_SUCCESS;
    count_call(function, slot);
    pthread_mutex_lock(&lock);
    if (openings > 0)
        openings--;
    else
        result = NVML_ERROR_UNINITIALIZED;
    pthread_mutex_unlock(&lock);
    return result;
}

static nvmlReturn_t handle_of(const char *uuid, nvmlDevice_t *handle)
{
    for (unsigned int i = 0; i < handle_count; i++) {
        if (strcmp(handles[i].uuid, uuid) == 0) {
            *handle = &handles[i];
            return NVML_SUCCESS;
        }
    }
    if (handle_count == MAX_HANDLES)
        return NVML_ERROR_INSUFFICIENT_RESOURCES;
    struct nvml_handle *fresh = &handles[handle_count++];
    snprintf(fresh->uuid, sizeof fresh->uuid, "%s", uuid);
    fresh->energy_until = clock_seconds();
    *handle = fresh;
    return NVML_SUCCESS;
}

nvmlReturn_t hand_out_gpu(const struct gpu *gpu, nvmlDevice_t *handle)
{
    bool reached = gpu->fault == NVML_SUCCESS || gpu->fault == FAULT_HANGING;
    return reached ? handle_of(gpu->uuid, handle) : (nvmlReturn_t)gpu->fault;
}

nvmlReturn_t hand_out_slice(const struct state *state, const struct slice *slice, nvmlDevice_t *handle)
{
    int fault = state->gpus[slice->gpu].fault;
    bool reached = fault == NVML_SUCCESS || fault == FAULT_HANGING;
    return reached ? handle_of(slice->uuid, handle) : (nvmlReturn_t)fault;
}

nvml_u64 energy_of(nvmlDevice_t handle, const struct gpu *gpu)
{
    double now = clock_seconds();
    handle->energy_mj += fmax(0, now - handle->energy_until) * value_now(&gpu->power) * 1e3;
    handle->energy_until = now;
    return (nvml_u64)handle->energy_mj;
}

nvmlReturn_t give_text(const char *text, char *buffer, unsigned int size)
{
    REQUIRE(buffer);
    if (!*text)
        return NVML_ERROR_NOT_SUPPORTED;
    if (strlen(text) >= size)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return NVML_SUCCESS;
}

nvmlReturn_t give_value_u64(const struct value *value, double scale, nvml_u64 *target)
{
    REQUIRE(target);
    if (!value->known)
        return NVML_ERROR_NOT_SUPPORTED;
    *target = (nvml_u64)fmax(0, round(value_now(value) * scale));
    return NVML_SUCCESS;
}

nvmlReturn_t give_value(const struct value *value, double scale, unsigned int *target)
{
    REQUIRE(target);
    if (!value->known)
        return NVML_ERROR_NOT_SUPPORTED;
    *target = (unsigned int)fmin(fmax(0, round(value_now(value) * scale)), 4294967295.0);
    return NVML_SUCCESS;
}

nvmlReturn_t give_word(int word, unsigned int *target)
{
    REQUIRE(target);
    if (word == NOT_GIVEN)
        return NVML_ERROR_NOT_SUPPORTED;
    *target = (unsigned int)word;
    return NVML_SUCCESS;
}
