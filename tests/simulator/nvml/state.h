/* The simulated GPUs as one state file describes them, and the reading of that file. README.md documents its format. */
#ifndef GPUDOCK_SIMULATOR_STATE_H
#define GPUDOCK_SIMULATOR_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"

enum { MAX_GPUS = 64, MAX_SLICES = 256, MAX_PROCESSES = 1024, MAX_SLOW = 32, TEXT_SIZE = 96 };

/* A reading: steady (period 0), a sine between low and high, or not known, which callers see as "not supported". */
struct value {
    bool known;
    double low, high, period_s, phase_s;
};

/* Every key of a [gpu] section is a member of struct gpu with the same name. */
#define GPU_TEXTS(X) X(uuid) X(name) X(serial) X(board_part_number) X(pci_bus_id) X(vbios_version)         \
    X(nvlink_peers)
#define GPU_VALUES(X)                                                                                                  \
    X(compute_capability) X(cores) X(multiprocessors) X(memory_bus_width) X(pci_device_id) X(pci_subsystem_id)         \
    X(memory_total_mib) X(memory_reserved_mib) X(memory_used_mib) X(bar1_total_mib) X(bar1_used_mib)                   \
    X(utilization) X(memory_utilization) X(encoder_utilization) X(decoder_utilization)                                 \
    X(temperature) X(temperature_memory) X(temperature_slowdown) X(temperature_shutdown) X(temperature_max)            \
    X(temperature_memory_max) X(power) X(power_limit) X(power_limit_default) X(power_limit_min) X(power_limit_max)     \
    X(fan) X(clock_graphics) X(clock_sm) X(clock_memory) X(clock_video) X(clock_graphics_max) X(clock_sm_max)          \
    X(clock_memory_max) X(clock_video_max) X(performance_state) X(pcie_generation) X(pcie_generation_max)              \
    X(pcie_width) X(pcie_width_max) X(pcie_tx_kib_s) X(pcie_rx_kib_s) X(pcie_replays) X(ecc_corrected)                 \
    X(ecc_uncorrected) X(retired_pages) X(remapped_corrected) X(remapped_uncorrected) X(max_mig_slices) X(nvlinks)   \
    X(pcie_switch) X(host_bridge) X(numa_node)
#define GPU_WORDS(X)                                                                                                   \
    X(brand) X(architecture) X(compute_mode) X(persistence) X(ecc) X(display) X(mig) X(remapped_pending)               \
    X(remapped_failure) X(throttle) X(fault)

#define SLICE_TEXTS(X) X(uuid) X(profile)
#define SLICE_VALUES(X)                                                                                                \
    X(memory_total_mib) X(memory_used_mib) X(multiprocessors) X(gpu_instance) X(compute_instance)                      \
    X(gpu_instance_capability) X(compute_instance_capability)

#define TEXT_MEMBER(key) char key[TEXT_SIZE];
#define VALUE_MEMBER(key) struct value key;
#define WORD_MEMBER(key) int key; /* NOT_GIVEN, or what the word stands for */

enum { NOT_GIVEN = -1 };
/* A GPU's fault that is no answer of NVML's: calls to it do not return. */
enum { FAULT_HANGING = -2 };

struct gpu {
    unsigned int minor;
    bool visible;
    GPU_TEXTS(TEXT_MEMBER)
    GPU_VALUES(VALUE_MEMBER)
    GPU_WORDS(WORD_MEMBER)
};

struct slice {
    unsigned int gpu;    /* position in state.gpus */
    unsigned int number; /* M of [slice N:M] */
    bool visible;
    SLICE_TEXTS(TEXT_MEMBER)
    SLICE_VALUES(VALUE_MEMBER)
};

enum process_type { PROCESS_COMPUTE, PROCESS_GRAPHICS, PROCESS_MPS };

struct process {
    unsigned int gpu;
    int slice; /* position in state.slices, or -1 */
    unsigned int pid;
    enum process_type type;
    struct value used_mib;
    char name[TEXT_SIZE];
};

struct slow_call {
    char function[TEXT_SIZE]; /* empty: every call */
    double milliseconds;
};

struct state {
    char driver_version[TEXT_SIZE];
    struct value cuda_version;
    nvmlReturn_t fault; /* what every call answers, NVML_SUCCESS when the driver is well */
    char hang[TEXT_SIZE];
    struct slow_call slow[MAX_SLOW];
    unsigned int slow_count, gpu_count, slice_count, process_count, visible_count;
    unsigned int visible[MAX_GPUS]; /* positions in gpus, in the order of NVML's indices */
    struct gpu gpus[MAX_GPUS];
    struct slice slices[MAX_SLICES];
    struct process processes[MAX_PROCESSES];
};

/* Reads a state file's text, which is changed on the way, into a zeroed state. False: it is malformed. */
bool state_parse(char *text, struct state *state);

/* The newest state, or NULL where the file is missing or malformed; `missing` tells which. The caller holds the
 * library's lock, and keeps it for as long as it uses the state. `now` skips the short time in which a look at the file
 * counts as fresh, and looks for device nodes again. */
const struct state *state_current(bool now, bool *missing);

/* The value at this moment; 0 for an unknown one. */
double value_now(const struct value *value);
nvml_u64 value_whole(const struct value *value);

double clock_seconds(void);

#endif
