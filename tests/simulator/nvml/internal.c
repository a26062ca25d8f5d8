/* The private table of functions that NVIDIA's nvidia-smi asks for.
 *
 * It is no part of NVML's documented interface. NVIDIA's simulated NVML for its Kubernetes tests (k8s-test-infra) tells which
 * places of the table nvidia-smi calls; those that matter are filled here, and all others say "not supported". */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "calls.h"

enum {
    TABLE_SIZE = 256, /* entries; the first one holds the table's size in bytes */
    HANDLE_BY_INDEX = 81,
    COMPUTE_PROCESSES = 213,
    MPS_PROCESSES = 214,
    GRAPHICS_PROCESSES = 215,
    HOST_PCIE_GENERATION = 230,
};

static const unsigned char TABLE_ID[16] = {0xC4, 0xFE, 0x3E, 0x6C, 0xC9, 0x8F, 0x6C, 0x4E,
                                           0xA3, 0x27, 0xEE, 0x69, 0x6E, 0x12, 0xF7, 0xC4};

/* A process with its name, as the table's functions give it. */
struct named_process {
    nvmlProcessDetail_v1_t detail;
    char name[4096];
};

static nvmlReturn_t unsupported(void)
{
    return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t handle_by_index(unsigned int index, nvmlDevice_t *handle)
{
    SYSTEM_CALL();
    REQUIRE(handle && index < call.state->visible_count);
    return hand_out_gpu(&call.state->gpus[call.state->visible[index]], handle);
}

static nvmlReturn_t host_pcie_generation(nvmlDevice_t handle, unsigned int *generation)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->pcie_generation_max, 1, generation);
}

static nvmlReturn_t give_processes(const struct call *call, enum process_type type, unsigned int *count,
                                   struct named_process *processes)
{
    const struct process *found[MAX_PROCESSES];
    REQUIRE(count && processes);
    unsigned int present = gather_processes(call, type, found);
    if (present > *count)
        present = *count;
    for (unsigned int i = 0; i < present; i++) {
        processes[i].detail = process_detail(call->state, found[i]);
        snprintf(processes[i].name, sizeof processes[i].name, "%s", found[i]->name);
    }
    *count = present;
    return NVML_SUCCESS;
}

static nvmlReturn_t compute_processes(nvmlDevice_t handle, unsigned int *count, struct named_process *processes)
{
    DEVICE_CALL(handle);
    return give_processes(&call, PROCESS_COMPUTE, count, processes);
}

static nvmlReturn_t graphics_processes(nvmlDevice_t handle, unsigned int *count, struct named_process *processes)
{
    DEVICE_CALL(handle);
    return give_processes(&call, PROCESS_GRAPHICS, count, processes);
}

static nvmlReturn_t mps_processes(nvmlDevice_t handle, unsigned int *count, struct named_process *processes)
{
    DEVICE_CALL(handle);
    return give_processes(&call, PROCESS_MPS, count, processes);
}

typedef void (*entry_t)(void);

static union {
    size_t bytes;
    entry_t function;
} table[TABLE_SIZE];

/* Filled under the library's lock; every filling is the same. */
static void fill_table(void)
{
    for (int i = 1; i < TABLE_SIZE; i++)
        table[i].function = (entry_t)unsupported;
    table[HANDLE_BY_INDEX].function = (entry_t)handle_by_index;
    table[COMPUTE_PROCESSES].function = (entry_t)compute_processes;
    table[GRAPHICS_PROCESSES].function = (entry_t)graphics_processes;
    table[MPS_PROCESSES].function = (entry_t)mps_processes;
    table[HOST_PCIE_GENERATION].function = (entry_t)host_pcie_generation;
    table[0].bytes = sizeof table;
}

NVML_API nvmlReturn_t nvmlInternalGetExportTable(const void **found, const unsigned char *id)
{
    CALL_WITH(call_begin_anyway);
    REQUIRE(found && id);
    if (memcmp(id, TABLE_ID, sizeof TABLE_ID) != 0)
        return NVML_ERROR_NOT_FOUND;
    if (table[0].bytes == 0)
        fill_table();
    *found = table;
    return NVML_SUCCESS;
}
