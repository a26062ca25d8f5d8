/* Event sets: they can be made, registered with and waited on, but nothing ever happens on a simulated GPU. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "calls.h"

typedef struct event_set *nvmlEventSet_t;

struct event_set {
    nvml_u64 types;
};

enum { SUPPORTED_EVENTS = 0x1F }; /* ECC errors, performance state, critical errors, clocks */

NVML_API nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    SYSTEM_CALL();
    REQUIRE(set);
    *set = calloc(1, sizeof **set);
    return *set ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

NVML_API nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    SYSTEM_CALL();
    free(set);
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t handle, nvml_u64 *types)
{
    GPU_CALL(handle);
    REQUIRE(types);
    *types = SUPPORTED_EVENTS;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t handle, nvml_u64 types, nvmlEventSet_t set)
{
    GPU_CALL(handle);
    REQUIRE(set);
    if (types & ~(nvml_u64)SUPPORTED_EVENTS)
        return NVML_ERROR_NOT_SUPPORTED;
    set->types |= types;
    return NVML_SUCCESS;
}

/* Waits without the lock, so that other threads go on. */
static nvmlReturn_t wait_in_vain(const char *function, int *slot, unsigned int timeout_ms)
{
    struct call call = call_begin(function, slot);
    nvmlReturn_t refusal = call.refusal;
    call_end(&call);
    if (refusal != NVML_SUCCESS)
        return refusal;
    struct timespec time = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
    nanosleep(&time, NULL);
    return NVML_ERROR_TIMEOUT;
}

NVML_API nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, void *data, unsigned int timeout_ms)
{
    static int slot;
    REQUIRE(set && data);
    return wait_in_vain(__func__, &slot, timeout_ms);
}

NVML_API nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, void *data, unsigned int timeout_ms)
{
    static int slot;
    REQUIRE(set && data);
    return wait_in_vain(__func__, &slot, timeout_ms);
}
