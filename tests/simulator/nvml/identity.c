/* Who a device is: names, numbers, its place on the bus, and what it is made of. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"

enum { DISPLAY_CONTROLLER_CLASS = 3, SUBCLASS_3D = 2, SUBCLASS_VGA = 0 };

NVML_API nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t handle, char *name, unsigned int length)
{
    DEVICE_CALL(handle);
    char text[2 * TEXT_SIZE + 8];
    if (!call.slice)
        return give_text(call.gpu->name, name, length);
    snprintf(text, sizeof text, "%s MIG %s", call.gpu->name, call.slice->profile);
    return give_text(text, name, length);
}

NVML_API nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t handle, char *uuid, unsigned int length)
{
    DEVICE_CALL(handle);
    return give_text(call.slice ? call.slice->uuid : call.gpu->uuid, uuid, length);
}

NVML_API nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t handle, unsigned int *index)
{
    DEVICE_CALL(handle);
    REQUIRE(index);
    *index = 0;
    if (call.slice) { /* its place among the slices of its GPU that this process sees */
        for (const struct slice *other = call.state->slices; other < call.slice; other++)
            *index += other->visible && other->gpu == call.slice->gpu;
        return NVML_SUCCESS;
    }
    while (&call.state->gpus[call.state->visible[*index]] != call.gpu)
        ++*index;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t handle, unsigned int *minor)
{
    GPU_CALL(handle);
    REQUIRE(minor);
    *minor = call.gpu->minor;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetModuleId(nvmlDevice_t handle, unsigned int *module)
{
    GPU_CALL(handle);
    REQUIRE(module);
    *module = call.gpu->minor + 1;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t handle, char *serial, unsigned int length)
{
    GPU_CALL(handle);
    return give_text(call.gpu->serial, serial, length);
}

NVML_API nvmlReturn_t nvmlDeviceGetBoardPartNumber(nvmlDevice_t handle, char *number, unsigned int length)
{
    GPU_CALL(handle);
    return give_text(call.gpu->board_part_number, number, length);
}

NVML_API nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t handle, char *version, unsigned int length)
{
    GPU_CALL(handle);
    return give_text(call.gpu->vbios_version, version, length);
}

NVML_API nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t handle, unsigned int *brand)
{
    DEVICE_CALL(handle);
    return give_word(call.gpu->brand, brand);
}

NVML_API nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t handle, unsigned int *architecture)
{
    DEVICE_CALL(handle);
    return give_word(call.gpu->architecture, architecture);
}

NVML_API nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t handle, int *major, int *minor)
{
    DEVICE_CALL(handle);
    unsigned int tenths;
    REQUIRE(major && minor);
    nvmlReturn_t result = give_value(&call.gpu->compute_capability, 10, &tenths);
    if (result == NVML_SUCCESS) {
        *major = (int)(tenths / 10);
        *minor = (int)(tenths % 10);
    }
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetNumGpuCores(nvmlDevice_t handle, unsigned int *cores)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->cores, 1, cores);
}

NVML_API nvmlReturn_t nvmlDeviceGetMemoryBusWidth(nvmlDevice_t handle, unsigned int *bits)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->memory_bus_width, 1, bits);
}

NVML_API nvmlReturn_t nvmlDeviceGetBusType(nvmlDevice_t handle, unsigned int *type)
{
    GPU_CALL(handle);
    REQUIRE(type);
    *type = NVML_BUS_TYPE_PCIE;
    return NVML_SUCCESS;
}

static unsigned int number_of(const struct value *value)
{
    return (unsigned int)value_whole(value);
}

nvmlReturn_t read_bus(const struct gpu *gpu, nvmlPciInfo_t *info)
{
    memset(info, 0, sizeof *info);
    if (sscanf(gpu->pci_bus_id, "%x:%x:%x", &info->domain, &info->bus, &info->device) != 3)
        return NVML_ERROR_NOT_SUPPORTED;
    info->pciDeviceId = number_of(&gpu->pci_device_id);
    info->pciSubSystemId = number_of(&gpu->pci_subsystem_id);
    snprintf(info->busIdLegacy, sizeof info->busIdLegacy, "%04X:%02X:%02X.0", info->domain & 0xFFFF, info->bus & 0xFF,
             info->device & 0xFF);
    snprintf(info->busId, sizeof info->busId, "%08X:%02X:%02X.0", info->domain, info->bus & 0xFF, info->device & 0xFF);
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t handle, nvmlPciInfo_t *info)
{
    DEVICE_CALL(handle);
    REQUIRE(info);
    return read_bus(call.gpu, info);
}

static nvmlReturn_t give_pci_info_v2(const struct gpu *gpu, nvmlPciInfo_v2_t *info)
{
    nvmlPciInfo_t read;
    REQUIRE(info);
    nvmlReturn_t result = read_bus(gpu, &read);
    if (result != NVML_SUCCESS)
        return result;
    memset(info, 0, sizeof *info);
    memcpy(info->busId, read.busIdLegacy, sizeof info->busId);
    info->domain = read.domain;
    info->bus = read.bus;
    info->device = read.device;
    info->pciDeviceId = read.pciDeviceId;
    info->pciSubSystemId = read.pciSubSystemId;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t handle, nvmlPciInfo_v2_t *info)
{
    DEVICE_CALL(handle);
    return give_pci_info_v2(call.gpu, info);
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t handle, nvmlPciInfo_v2_t *info)
{
    DEVICE_CALL(handle);
    return give_pci_info_v2(call.gpu, info);
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t handle, nvmlPciInfoExt_v1_t *info)
{
    DEVICE_CALL(handle);
    nvmlPciInfo_t read;
    REQUIRE(info);
    if (info->version != NVML_STRUCT_VERSION(nvmlPciInfoExt_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = read_bus(call.gpu, &read);
    if (result != NVML_SUCCESS)
        return result;
    info->domain = read.domain;
    info->bus = read.bus;
    info->device = read.device;
    info->pciDeviceId = read.pciDeviceId;
    info->pciSubSystemId = read.pciSubSystemId;
    info->baseClass = DISPLAY_CONTROLLER_CLASS;
    info->subClass = call.gpu->display == NOT_GIVEN ? SUBCLASS_3D : SUBCLASS_VGA;
    memcpy(info->busId, read.busId, sizeof info->busId);
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetBoardId(nvmlDevice_t handle, unsigned int *id)
{
    GPU_CALL(handle);
    nvmlPciInfo_t read;
    REQUIRE(id);
    nvmlReturn_t result = read_bus(call.gpu, &read);
    *id = read.bus << 8;
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetMultiGpuBoard(nvmlDevice_t handle, unsigned int *several)
{
    GPU_CALL(handle);
    REQUIRE(several);
    *several = 0;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t one, nvmlDevice_t other, int *same)
{
    GPU_CALL(one);
    REQUIRE(other && same);
    *same = one == other;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t one, nvmlDevice_t other, unsigned int index,
                                             unsigned int *status)
{
    GPU_CALL(one);
    (void)index;
    REQUIRE(other && status);
    *status = NVML_P2P_STATUS_NOT_SUPPORTED;
    return NVML_SUCCESS;
}
