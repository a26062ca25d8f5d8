/* The processes on a device. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "calls.h"

static const nvml_u64 MIB = 1024 * 1024;

static nvml_u64 used_bytes(const struct process *process)
{
    return process->used_mib.known ? value_whole(&process->used_mib) * MIB : NVML_VALUE_NOT_AVAILABLE;
}

/* A slice has its own processes, a GPU all of them. */
static bool on_device(const struct call *call, const struct process *process)
{
    if (call->slice)
        return process->slice >= 0 && &call->state->slices[process->slice] == call->slice;
    return &call->state->gpus[process->gpu] == call->gpu;
}

static unsigned int gpu_instance(const struct state *state, const struct process *process)
{
    return process->slice < 0 ? NVML_INVALID_INSTANCE
                              : (unsigned int)value_whole(&state->slices[process->slice].gpu_instance);
}

static unsigned int compute_instance(const struct state *state, const struct process *process)
{
    return process->slice < 0 ? NVML_INVALID_INSTANCE
                              : (unsigned int)value_whole(&state->slices[process->slice].compute_instance);
}

unsigned int gather_processes(const struct call *call, enum process_type type, const struct process **found)
{
    unsigned int count = 0;
    for (unsigned int i = 0; i < call->state->process_count; i++) {
        const struct process *process = &call->state->processes[i];
        if (process->type == type && on_device(call, process))
            found[count++] = process;
    }
    return count;
}

nvmlProcessDetail_v1_t process_detail(const struct state *state, const struct process *process)
{
    return (nvmlProcessDetail_v1_t){process->pid, used_bytes(process), gpu_instance(state, process),
                                    compute_instance(state, process), NVML_VALUE_NOT_AVAILABLE};
}

/* Says how many there are, and whether the caller's array of `room` has place for them. */
static nvmlReturn_t give_process_count(unsigned int found, unsigned int *count, const void *infos)
{
    unsigned int room = *count;
    *count = found;
    if (found == 0)
        return NVML_SUCCESS;
    if (found > room)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    return infos ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlReturn_t give_v1(const struct call *call, enum process_type type, unsigned int *count,
                            nvmlProcessInfo_v1_t *infos)
{
    const struct process *found[MAX_PROCESSES];
    REQUIRE(count);
    unsigned int present = gather_processes(call, type, found);
    nvmlReturn_t result = give_process_count(present, count, infos);
    for (unsigned int i = 0; result == NVML_SUCCESS && i < present; i++)
        infos[i] = (nvmlProcessInfo_v1_t){found[i]->pid, used_bytes(found[i])};
    return result;
}

static nvmlReturn_t give_v2(const struct call *call, enum process_type type, unsigned int *count,
                            nvmlProcessInfo_v2_t *infos)
{
    const struct process *found[MAX_PROCESSES];
    REQUIRE(count);
    unsigned int present = gather_processes(call, type, found);
    nvmlReturn_t result = give_process_count(present, count, infos);
    for (unsigned int i = 0; result == NVML_SUCCESS && i < present; i++)
        infos[i] = (nvmlProcessInfo_v2_t){found[i]->pid, used_bytes(found[i]), gpu_instance(call->state, found[i]),
                                          compute_instance(call->state, found[i])};
    return result;
}

/* The third version has the second one's layout. */
#define PROCESS_FUNCTIONS(kind, type)                                                                                  \
    NVML_API nvmlReturn_t nvmlDeviceGet##kind##RunningProcesses(nvmlDevice_t handle, unsigned int *count,              \
                                                                nvmlProcessInfo_v1_t *infos)                           \
    {                                                                                                                  \
        DEVICE_CALL(handle);                                                                                           \
        return give_v1(&call, type, count, infos);                                                                     \
    }                                                                                                                  \
    NVML_API nvmlReturn_t nvmlDeviceGet##kind##RunningProcesses_v2(nvmlDevice_t handle, unsigned int *count,           \
                                                                   nvmlProcessInfo_v2_t *infos)                        \
    {                                                                                                                  \
        DEVICE_CALL(handle);                                                                                           \
        return give_v2(&call, type, count, infos);                                                                     \
    }                                                                                                                  \
    NVML_API nvmlReturn_t nvmlDeviceGet##kind##RunningProcesses_v3(nvmlDevice_t handle, unsigned int *count,           \
                                                                   nvmlProcessInfo_v2_t *infos)                        \
    {                                                                                                                  \
        DEVICE_CALL(handle);                                                                                           \
        return give_v2(&call, type, count, infos);                                                                     \
    }

PROCESS_FUNCTIONS(Compute, PROCESS_COMPUTE)
PROCESS_FUNCTIONS(Graphics, PROCESS_GRAPHICS)
PROCESS_FUNCTIONS(MPSCompute, PROCESS_MPS)

NVML_API nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t handle, nvmlProcessDetailList_v1_t *list)
{
    DEVICE_CALL(handle);
    const struct process *found[MAX_PROCESSES];
    REQUIRE(list);
    if (list->version != NVML_STRUCT_VERSION(nvmlProcessDetailList_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    REQUIRE(list->mode <= PROCESS_MPS);
    unsigned int present = gather_processes(&call, (enum process_type)list->mode, found);
    nvmlReturn_t result = give_process_count(present, &list->numProcArrayEntries, list->procArray);
    for (unsigned int i = 0; result == NVML_SUCCESS && i < present; i++)
        list->procArray[i] = process_detail(call.state, found[i]);
    return result;
}

/* The GPU's utilization is shared out evenly among its compute processes. */
NVML_API nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t handle, nvmlProcessUtilizationSample_t *samples,
                                                      unsigned int *count, nvml_u64 since_us)
{
    GPU_CALL(handle);
    const struct process *found[MAX_PROCESSES];
    nvml_u64 now_us = (nvml_u64)(clock_seconds() * 1e6);
    REQUIRE(count);
    if (call.gpu->mig == 1 || !call.gpu->utilization.known)
        return NVML_ERROR_NOT_SUPPORTED;
    unsigned int present = gather_processes(&call, PROCESS_COMPUTE, found);
    if (present == 0 || since_us >= now_us) {
        *count = 0;
        return NVML_ERROR_NOT_FOUND;
    }
    nvmlReturn_t result = samples ? give_process_count(present, count, samples) : NVML_ERROR_INSUFFICIENT_SIZE;
    *count = present;
    for (unsigned int i = 0; result == NVML_SUCCESS && i < present; i++)
        samples[i] = (nvmlProcessUtilizationSample_t){
            .pid = found[i]->pid,
            .timeStamp = now_us,
            .smUtil = (unsigned int)value_whole(&call.gpu->utilization) / present,
            .memUtil = (unsigned int)value_whole(&call.gpu->memory_utilization) / present,
        };
    return result;
}

NVML_API nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
    SYSTEM_CALL();
    REQUIRE(name && length > 0);
    for (unsigned int i = 0; i < call.state->process_count; i++) {
        const struct process *process = &call.state->processes[i];
        if (process->pid == pid) {
            snprintf(name, length, "%s", process->name); /* this one NVML cuts off */
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}
