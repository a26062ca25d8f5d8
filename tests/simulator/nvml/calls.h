/* What every NVML function begins with: counting, faults and delays, the lock, and the device behind a handle. */
#ifndef GPUDOCK_SIMULATOR_CALLS_H
#define GPUDOCK_SIMULATOR_CALLS_H

#include "abi.h"
#include "state.h"

/* Symbols are hidden unless they are NVML's. */
#define NVML_API __attribute__((visibility("default")))

struct call {
    nvmlReturn_t refusal; /* NVML_SUCCESS, or what the function answers at once */
    const struct state *state;
    const struct gpu *gpu;     /* the handle's GPU, or the parent of its slice */
    const struct slice *slice; /* NULL for a whole GPU */
};

/* Begins a call; after it the lock is held, whatever the outcome. `slot` caches the call's place among the counters. */
struct call call_begin(const char *function, int *slot);
struct call call_begin_anyway(const char *function, int *slot); /* not refused: the state may be NULL */
struct call call_begin_device(const char *function, int *slot, nvmlDevice_t handle);
struct call call_begin_gpu(const char *function, int *slot, nvmlDevice_t handle);
void call_end(struct call *call);

#define CALL_WITH(begin, ...)                                                                                          \
    static int slot;                                                                                                   \
    __attribute__((cleanup(call_end))) struct call call = begin(__func__, &slot, ##__VA_ARGS__);                       \
    if (call.refusal != NVML_SUCCESS)                                                                                  \
        return call.refusal

/* In a function's body: returns early when the call is refused, and releases the lock at the function's end. */
#define SYSTEM_CALL() CALL_WITH(call_begin)
#define DEVICE_CALL(handle) CALL_WITH(call_begin_device, handle) /* a GPU or a MIG slice */
#define GPU_CALL(handle) CALL_WITH(call_begin_gpu, handle)       /* a whole GPU; "not supported" for a slice */

#define REQUIRE(argument)                                                                                              \
    do {                                                                                                               \
        if (!(argument))                                                                                               \
            return NVML_ERROR_INVALID_ARGUMENT;                                                                        \
    } while (0)

/* nvmlInit and nvmlShutdown. */
nvmlReturn_t library_open(const char *function, int *slot);
nvmlReturn_t library_close(const char *function, int *slot);

/* A handle for a device, or the device's fault. The same device has the same handle for the process's whole life. */
nvmlReturn_t hand_out_gpu(const struct gpu *gpu, nvmlDevice_t *handle);
nvmlReturn_t hand_out_slice(const struct state *state, const struct slice *slice, nvmlDevice_t *handle);

/* Energy that the GPU took since this process first asked about it, in mJ. */
nvml_u64 energy_of(nvmlDevice_t handle, const struct gpu *gpu);

/* Copies text to a caller's buffer, as NVML does: all of it or "insufficient size". */
nvmlReturn_t give_text(const char *text, char *buffer, unsigned int size);

/* Gives a reading, or "not supported" where the state has none. */
nvmlReturn_t give_value(const struct value *value, double scale, unsigned int *target);
nvmlReturn_t give_value_u64(const struct value *value, double scale, nvml_u64 *target);
nvmlReturn_t give_word(int word, unsigned int *target);

/* Gathers the device's processes of one type in an array of MAX_PROCESSES, and says how many there are. */
unsigned int gather_processes(const struct call *call, enum process_type type, const struct process **found);
nvmlProcessDetail_v1_t process_detail(const struct state *state, const struct process *process);

/* Fills what all versions of the struct have. */
nvmlReturn_t read_bus(const struct gpu *gpu, nvmlPciInfo_t *info);

/* The whole GPU behind a handle, NULL where there is none. */
const struct gpu *gpu_of(const struct state *state, nvmlDevice_t handle);

/* Counts a call in the file that GPUDOCK_SIMULATOR_CALLS names, if it does. */
void count_call(const char *function, int *slot);

#endif
