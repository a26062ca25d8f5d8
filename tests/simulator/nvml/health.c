/* Modes and health: persistence, compute mode, ECC, retired pages, remapped rows, display, virtualization. */
#define _GNU_SOURCE
#include <string.h>

#include "calls.h"

static nvmlReturn_t give_constant(unsigned int constant, unsigned int *target)
{
    REQUIRE(target);
    *target = constant;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t handle, unsigned int *mode)
{
    GPU_CALL(handle);
    return give_word(call.gpu->persistence, mode);
}

NVML_API nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t handle, unsigned int *mode)
{
    DEVICE_CALL(handle);
    return give_word(call.gpu->compute_mode, mode);
}

/* A GPU with display outputs but no screen on them; "none" in the state for one without outputs. */
NVML_API nvmlReturn_t nvmlDeviceGetDisplayMode(nvmlDevice_t handle, unsigned int *mode)
{
    GPU_CALL(handle);
    return give_constant(call.gpu->display == 1, mode);
}

NVML_API nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t handle, unsigned int *active)
{
    GPU_CALL(handle);
    return give_constant(call.gpu->display == 1, active);
}

NVML_API nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t handle, unsigned int *mode)
{
    static const unsigned int BARE_METAL = 0;
    GPU_CALL(handle);
    return give_constant(BARE_METAL, mode);
}

NVML_API nvmlReturn_t nvmlDeviceGetAccountingMode(nvmlDevice_t handle, unsigned int *mode)
{
    GPU_CALL(handle);
    return give_constant(0, mode);
}

NVML_API nvmlReturn_t nvmlDeviceGetAPIRestriction(nvmlDevice_t handle, unsigned int api, unsigned int *restricted)
{
    GPU_CALL(handle);
    (void)api;
    return give_constant(NVML_RESTRICTED, restricted);
}

NVML_API nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t handle, unsigned int *current, unsigned int *pending)
{
    GPU_CALL(handle);
    nvmlReturn_t result = give_word(call.gpu->ecc, current);
    return result == NVML_SUCCESS ? give_word(call.gpu->ecc, pending) : result;
}

NVML_API nvmlReturn_t nvmlDeviceGetDefaultEccMode(nvmlDevice_t handle, unsigned int *mode)
{
    GPU_CALL(handle);
    return give_word(call.gpu->ecc, mode);
}

/* The errors that the state tells are the volatile and the aggregate ones alike, and all in device memory. */
static const struct value *ecc_errors(const struct gpu *gpu, unsigned int type)
{
    return type == NVML_MEMORY_ERROR_CORRECTED ? &gpu->ecc_corrected : &gpu->ecc_uncorrected;
}

NVML_API nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t handle, unsigned int type, unsigned int counter,
                                                  nvml_u64 *errors)
{
    GPU_CALL(handle);
    REQUIRE(type <= NVML_MEMORY_ERROR_UNCORRECTED && counter <= NVML_ECC_AGGREGATE);
    if (call.gpu->ecc != 1)
        return NVML_ERROR_NOT_SUPPORTED;
    return give_value_u64(ecc_errors(call.gpu, type), 1, errors);
}

NVML_API nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t handle, unsigned int type, unsigned int counter,
                                                      unsigned int location, nvml_u64 *errors)
{
    GPU_CALL(handle);
    REQUIRE(type <= NVML_MEMORY_ERROR_UNCORRECTED && counter <= NVML_ECC_AGGREGATE &&
            location < NVML_MEMORY_LOCATION_COUNT && errors);
    if (call.gpu->ecc != 1)
        return NVML_ERROR_NOT_SUPPORTED;
    *errors = 0;
    return location == NVML_MEMORY_LOCATION_DEVICE_MEMORY ? give_value_u64(ecc_errors(call.gpu, type), 1, errors)
                                                          : NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetDetailedEccErrors(nvmlDevice_t handle, unsigned int type, unsigned int counter,
                                                     nvmlEccErrorCounts_t *errors)
{
    GPU_CALL(handle);
    REQUIRE(type <= NVML_MEMORY_ERROR_UNCORRECTED && counter <= NVML_ECC_AGGREGATE && errors);
    if (call.gpu->ecc != 1)
        return NVML_ERROR_NOT_SUPPORTED;
    memset(errors, 0, sizeof *errors);
    return give_value_u64(ecc_errors(call.gpu, type), 1, &errors->deviceMemory);
}

static const nvml_u64 FIRST_RETIRED_PAGE = 0x1000, PAGE_SIZE = 0x1000;

/* Pages that were retired for double-bit errors; a time stamp of 0 is "unknown". */
static nvmlReturn_t give_retired_pages(const struct gpu *gpu, unsigned int cause, unsigned int *count,
                                       nvml_u64 *addresses, nvml_u64 *times)
{
    static const unsigned int DOUBLE_BIT_ERROR = 1;
    REQUIRE(count && cause <= DOUBLE_BIT_ERROR);
    if (!gpu->retired_pages.known)
        return NVML_ERROR_NOT_SUPPORTED;
    unsigned int room = *count;
    *count = cause == DOUBLE_BIT_ERROR ? (unsigned int)value_whole(&gpu->retired_pages) : 0;
    if (*count > room || (*count > 0 && !addresses))
        return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int i = 0; i < *count; i++) {
        addresses[i] = FIRST_RETIRED_PAGE + i * PAGE_SIZE;
        if (times)
            times[i] = 0;
    }
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t handle, unsigned int cause, unsigned int *count,
                                                nvml_u64 *addresses)
{
    GPU_CALL(handle);
    return give_retired_pages(call.gpu, cause, count, addresses, NULL);
}

NVML_API nvmlReturn_t nvmlDeviceGetRetiredPages_v2(nvmlDevice_t handle, unsigned int cause, unsigned int *count,
                                                   nvml_u64 *addresses, nvml_u64 *times)
{
    GPU_CALL(handle);
    return give_retired_pages(call.gpu, cause, count, addresses, times);
}

NVML_API nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t handle, unsigned int *pending)
{
    GPU_CALL(handle);
    REQUIRE(pending);
    *pending = 0;
    return call.gpu->retired_pages.known ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

NVML_API nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t handle, unsigned int *corrected, unsigned int *uncorrected,
                                                unsigned int *pending, unsigned int *failed)
{
    GPU_CALL(handle);
    REQUIRE(corrected && uncorrected && pending && failed);
    *pending = call.gpu->remapped_pending == 1;
    *failed = call.gpu->remapped_failure == 1;
    nvmlReturn_t result = give_value(&call.gpu->remapped_corrected, 1, corrected);
    return result == NVML_SUCCESS ? give_value(&call.gpu->remapped_uncorrected, 1, uncorrected) : result;
}

/* All banks have all their spare rows, but for one bank for each remapped row. */
NVML_API nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t handle, nvmlRowRemapperHistogramValues_t *values)
{
    static const unsigned int BANKS = 640;
    GPU_CALL(handle);
    REQUIRE(values);
    if (!call.gpu->remapped_corrected.known || !call.gpu->remapped_uncorrected.known)
        return NVML_ERROR_NOT_SUPPORTED;
    nvml_u64 rows = value_whole(&call.gpu->remapped_corrected) + value_whole(&call.gpu->remapped_uncorrected);
    memset(values, 0, sizeof *values);
    values->high = rows < BANKS ? (unsigned int)rows : BANKS;
    values->max = BANKS - values->high;
    return NVML_SUCCESS;
}

/* How long a policy has held the clocks down: never. */
NVML_API nvmlReturn_t nvmlDeviceGetViolationStatus(nvmlDevice_t handle, unsigned int policy, nvmlViolationTime_t *time)
{
    GPU_CALL(handle);
    (void)policy;
    REQUIRE(time);
    time->referenceTime = (nvml_u64)(clock_seconds() * 1e6);
    time->violationTime = 0;
    return NVML_SUCCESS;
}
