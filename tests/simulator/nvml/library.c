/* Opening and closing the library, versions, error texts, and how to come by a device's handle. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "calls.h"

static const char NVML_VERSION_PREFIX[] = "12."; /* NVML's major version, before the driver's */
static const char DEFAULT_DRIVER_VERSION[] = "550.163.01";

NVML_API nvmlReturn_t nvmlInit_v2(void)
{
    static int slot;
    return library_open(__func__, &slot);
}

NVML_API nvmlReturn_t nvmlInit(void)
{
    static int slot;
    return library_open(__func__, &slot);
}

NVML_API nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    static int slot;
    (void)flags; /* "no GPUs" is no failure here in any case */
    return library_open(__func__, &slot);
}

NVML_API nvmlReturn_t nvmlShutdown(void)
{
    static int slot;
    return library_close(__func__, &slot);
}

NVML_API const char *nvmlErrorString(nvmlReturn_t result)
{
    switch (result) {
    case NVML_SUCCESS: return "Success";
    case NVML_ERROR_UNINITIALIZED: return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT: return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NO_PERMISSION: return "Insufficient Permissions";
    case NVML_ERROR_ALREADY_INITIALIZED: return "Already Initialized";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "Insufficient Size";
    case NVML_ERROR_INSUFFICIENT_POWER: return "Insufficient External Power";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case NVML_ERROR_TIMEOUT: return "Timeout";
    case NVML_ERROR_IRQ_ISSUE: return "Interrupt Request Issue";
    case NVML_ERROR_LIBRARY_NOT_FOUND: return "NVML Shared Library Not Found";
    case NVML_ERROR_FUNCTION_NOT_FOUND: return "Function Not Found";
    case NVML_ERROR_CORRUPTED_INFOROM: return "Corrupted infoROM";
    case NVML_ERROR_GPU_IS_LOST: return "GPU is lost";
    case NVML_ERROR_RESET_REQUIRED: return "GPU requires reset";
    case NVML_ERROR_OPERATING_SYSTEM: return "The operating system has blocked the request.";
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
    case NVML_ERROR_IN_USE: return "In use by another client";
    case NVML_ERROR_MEMORY: return "Insufficient Memory";
    case NVML_ERROR_NO_DATA: return "No data";
    case NVML_ERROR_VGPU_ECC_NOT_SUPPORTED: return "vGPU operation is not available on target device when ECC is enabled";
    case NVML_ERROR_INSUFFICIENT_RESOURCES: return "Insufficient Resources";
    case NVML_ERROR_FREQ_NOT_SUPPORTED: return "Frequency not supported";
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH: return "The provided version is invalid/unsupported";
    case NVML_ERROR_DEPRECATED: return "The requested functionality has been deprecated";
    case NVML_ERROR_NOT_READY: return "The system is not ready for the request";
    case NVML_ERROR_GPU_NOT_FOUND: return "No GPUs were found";
    case NVML_ERROR_INVALID_STATE: return "Resource not in correct state to perform requested operation";
    default: return "Unknown Error";
    }
}

NVML_API nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    SYSTEM_CALL();
    return give_text(call.state->driver_version, version, length);
}

/* Answers without nvmlInit too: nvidia-smi asks for it when a version mismatch kept it from initializing. */
NVML_API nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    CALL_WITH(call_begin_anyway);
    char text[TEXT_SIZE + sizeof NVML_VERSION_PREFIX];
    bool stated = call.state && *call.state->driver_version;
    const char *driver = stated ? call.state->driver_version : DEFAULT_DRIVER_VERSION;
    snprintf(text, sizeof text, "%s%s", NVML_VERSION_PREFIX, driver);
    return give_text(text, version, length);
}

/* 12.4 is 12040. */
static nvmlReturn_t give_cuda_version(const struct state *state, int *version)
{
    unsigned int tenths;
    REQUIRE(version);
    nvmlReturn_t result = give_value(&state->cuda_version, 10, &tenths);
    if (result == NVML_SUCCESS)
        *version = (int)(tenths / 10 * 1000 + tenths % 10 * 10);
    return result;
}

NVML_API nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    SYSTEM_CALL();
    return give_cuda_version(call.state, version);
}

NVML_API nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    SYSTEM_CALL();
    return give_cuda_version(call.state, version);
}

static nvmlReturn_t give_count(const struct state *state, unsigned int *count)
{
    REQUIRE(count);
    *count = state->visible_count;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetCount(unsigned int *count)
{
    SYSTEM_CALL();
    return give_count(call.state, count);
}

NVML_API nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    SYSTEM_CALL();
    return give_count(call.state, count);
}

static nvmlReturn_t give_by_index(const struct state *state, unsigned int index, nvmlDevice_t *handle)
{
    REQUIRE(handle && index < state->visible_count);
    return hand_out_gpu(&state->gpus[state->visible[index]], handle);
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *handle)
{
    SYSTEM_CALL();
    return give_by_index(call.state, index, handle);
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *handle)
{
    SYSTEM_CALL();
    return give_by_index(call.state, index, handle);
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *handle)
{
    SYSTEM_CALL();
    REQUIRE(uuid && handle);
    for (unsigned int i = 0; i < call.state->visible_count; i++) {
        const struct gpu *gpu = &call.state->gpus[call.state->visible[i]];
        if (strcmp(gpu->uuid, uuid) == 0)
            return hand_out_gpu(gpu, handle);
    }
    for (unsigned int i = 0; i < call.state->slice_count; i++) {
        const struct slice *slice = &call.state->slices[i];
        if (slice->visible && strcmp(slice->uuid, uuid) == 0)
            return hand_out_slice(call.state, slice, handle);
    }
    return NVML_ERROR_NOT_FOUND;
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *handle)
{
    SYSTEM_CALL();
    REQUIRE(serial && handle);
    for (unsigned int i = 0; i < call.state->visible_count; i++) {
        const struct gpu *gpu = &call.state->gpus[call.state->visible[i]];
        if (*gpu->serial && strcmp(gpu->serial, serial) == 0)
            return hand_out_gpu(gpu, handle);
    }
    return NVML_ERROR_NOT_FOUND;
}

/* "0000:07:00.0" and "00000000:07:00.0" are one bus. */
static bool same_bus(const char *a, const char *b)
{
    unsigned int left[4], right[4];
    return sscanf(a, "%x:%x:%x.%x", &left[0], &left[1], &left[2], &left[3]) == 4 &&
           sscanf(b, "%x:%x:%x.%x", &right[0], &right[1], &right[2], &right[3]) == 4 &&
           memcmp(left, right, sizeof left) == 0;
}

static nvmlReturn_t give_by_bus(const struct state *state, const char *bus, nvmlDevice_t *handle)
{
    REQUIRE(bus && handle);
    for (unsigned int i = 0; i < state->visible_count; i++) {
        const struct gpu *gpu = &state->gpus[state->visible[i]];
        if (same_bus(gpu->pci_bus_id, bus))
            return hand_out_gpu(gpu, handle);
    }
    return NVML_ERROR_NOT_FOUND;
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *bus, nvmlDevice_t *handle)
{
    SYSTEM_CALL();
    return give_by_bus(call.state, bus, handle);
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *handle)
{
    SYSTEM_CALL();
    return give_by_bus(call.state, bus, handle);
}

/* There are no S-class units, no host interface cards, and no GPUs that the driver is configured to leave alone. */
static nvmlReturn_t give_none(unsigned int *count)
{
    REQUIRE(count);
    *count = 0;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlUnitGetCount(unsigned int *count)
{
    SYSTEM_CALL();
    return give_none(count);
}

NVML_API nvmlReturn_t nvmlSystemGetHicVersion(unsigned int *count, void *entries)
{
    SYSTEM_CALL();
    (void)entries;
    return give_none(count);
}

NVML_API nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int *count)
{
    SYSTEM_CALL();
    return give_none(count);
}
