/* Multi-Instance GPU: a GPU's mode and its slices, each of which is one GPU instance with one compute instance. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "calls.h"

NVML_API nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t handle, unsigned int *current, unsigned int *pending)
{
    GPU_CALL(handle);
    nvmlReturn_t result = give_word(call.gpu->mig, current);
    return result == NVML_SUCCESS ? give_word(call.gpu->mig, pending) : result;
}

NVML_API nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t handle, unsigned int *is_slice)
{
    DEVICE_CALL(handle);
    REQUIRE(is_slice);
    *is_slice = call.slice != NULL;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t handle, unsigned int *count)
{
    GPU_CALL(handle);
    REQUIRE(count);
    *count = (unsigned int)value_whole(&call.gpu->max_mig_slices);
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t handle, unsigned int index, nvmlDevice_t *found)
{
    GPU_CALL(handle);
    REQUIRE(found);
    if (call.gpu->mig == NOT_GIVEN)
        return NVML_ERROR_NOT_SUPPORTED;
    for (unsigned int i = 0; i < call.state->slice_count; i++) {
        const struct slice *slice = &call.state->slices[i];
        if (slice->visible && &call.state->gpus[slice->gpu] == call.gpu && index-- == 0)
            return hand_out_slice(call.state, slice, found);
    }
    return NVML_ERROR_NOT_FOUND;
}

NVML_API nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t handle, nvmlDevice_t *parent)
{
    DEVICE_CALL(handle);
    REQUIRE(call.slice && parent);
    return hand_out_gpu(call.gpu, parent);
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t handle, unsigned int *id)
{
    DEVICE_CALL(handle);
    return call.slice ? give_value(&call.slice->gpu_instance, 1, id) : NVML_ERROR_NOT_SUPPORTED;
}

NVML_API nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t handle, unsigned int *id)
{
    DEVICE_CALL(handle);
    return call.slice ? give_value(&call.slice->compute_instance, 1, id) : NVML_ERROR_NOT_SUPPORTED;
}

/* The "2" of 2g.10gb. */
static unsigned int slices_of(const char *profile)
{
    unsigned int slices = 0;
    sscanf(profile, "%ug.", &slices);
    return slices;
}

static nvmlReturn_t give_attributes(const struct slice *slice, nvmlDeviceAttributes_t *attributes)
{
    REQUIRE(attributes);
    if (!slice)
        return NVML_ERROR_NOT_SUPPORTED;
    unsigned int slices = slices_of(slice->profile);
    *attributes = (nvmlDeviceAttributes_t){
        .multiprocessorCount = (unsigned int)value_whole(&slice->multiprocessors),
        .sharedCopyEngineCount = slices,
        .sharedDecoderCount = slices / 2,
        .gpuInstanceSliceCount = slices,
        .computeInstanceSliceCount = slices,
        .memorySizeMB = value_whole(&slice->memory_total_mib),
    };
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetAttributes(nvmlDevice_t handle, nvmlDeviceAttributes_t *attributes)
{
    DEVICE_CALL(handle);
    return give_attributes(call.slice, attributes);
}

NVML_API nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t handle, nvmlDeviceAttributes_t *attributes)
{
    DEVICE_CALL(handle);
    return give_attributes(call.slice, attributes);
}
