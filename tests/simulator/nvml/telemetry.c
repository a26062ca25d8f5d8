/* The state of a device: memory, utilization, temperature, power, clocks, fan and bus. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "calls.h"

static const nvml_u64 MIB = 1024 * 1024;
static const double MW_PER_W = 1000;

/* In MiB. A GPU in MIG mode uses what its slices use, on top of its own. */
struct memory {
    nvml_u64 total, reserved, used;
};

static nvmlReturn_t read_memory(const struct call *call, struct memory *memory)
{
    const struct gpu *gpu = call->gpu;
    const struct value *total = call->slice ? &call->slice->memory_total_mib : &gpu->memory_total_mib;
    const struct value *used = call->slice ? &call->slice->memory_used_mib : &gpu->memory_used_mib;
    if (!total->known || !used->known)
        return NVML_ERROR_NOT_SUPPORTED;
    memory->total = value_whole(total);
    memory->used = value_whole(used);
    memory->reserved = call->slice ? 0 : value_whole(&gpu->memory_reserved_mib);
    for (unsigned int i = 0; !call->slice && gpu->mig == 1 && i < call->state->slice_count; i++)
        if (&call->state->gpus[call->state->slices[i].gpu] == gpu)
            memory->used += value_whole(&call->state->slices[i].memory_used_mib);
    if (memory->reserved > memory->total)
        memory->reserved = memory->total;
    if (memory->used > memory->total - memory->reserved)
        memory->used = memory->total - memory->reserved;
    return NVML_SUCCESS;
}

/* The first version counts reserved memory as used. */
NVML_API nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t handle, nvmlMemory_t *info)
{
    DEVICE_CALL(handle);
    struct memory memory;
    REQUIRE(info);
    nvmlReturn_t result = read_memory(&call, &memory);
    if (result == NVML_SUCCESS) {
        info->total = memory.total * MIB;
        info->used = (memory.used + memory.reserved) * MIB;
        info->free = info->total - info->used;
    }
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t handle, nvmlMemory_v2_t *info)
{
    DEVICE_CALL(handle);
    struct memory memory;
    REQUIRE(info);
    if (info->version != NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = read_memory(&call, &memory);
    if (result == NVML_SUCCESS) {
        info->total = memory.total * MIB;
        info->reserved = memory.reserved * MIB;
        info->used = memory.used * MIB;
        info->free = info->total - info->reserved - info->used;
    }
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t handle, nvmlBAR1Memory_t *info)
{
    DEVICE_CALL(handle);
    REQUIRE(info);
    if (!call.gpu->bar1_total_mib.known)
        return NVML_ERROR_NOT_SUPPORTED;
    info->bar1Total = value_whole(&call.gpu->bar1_total_mib) * MIB;
    info->bar1Used = value_whole(&call.gpu->bar1_used_mib) * MIB;
    if (info->bar1Used > info->bar1Total)
        info->bar1Used = info->bar1Total;
    info->bar1Free = info->bar1Total - info->bar1Used;
    return NVML_SUCCESS;
}

/* In MIG mode neither the GPU nor its slices report their utilization. */
NVML_API nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t handle, nvmlUtilization_t *rates)
{
    GPU_CALL(handle);
    REQUIRE(rates);
    if (call.gpu->mig == 1)
        return NVML_ERROR_NOT_SUPPORTED;
    nvmlReturn_t result = give_value(&call.gpu->utilization, 1, &rates->gpu);
    if (result == NVML_SUCCESS && give_value(&call.gpu->memory_utilization, 1, &rates->memory) != NVML_SUCCESS)
        rates->memory = 0;
    return result;
}

static nvmlReturn_t give_engine(const struct gpu *gpu, const struct value *load, unsigned int *percent,
                                unsigned int *period_us)
{
    static const unsigned int SAMPLING_PERIOD_US = 167000;
    REQUIRE(percent && period_us);
    *period_us = SAMPLING_PERIOD_US;
    return gpu->mig == 1 ? NVML_ERROR_NOT_SUPPORTED : give_value(load, 1, percent);
}

NVML_API nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t handle, unsigned int *percent, unsigned int *period)
{
    GPU_CALL(handle);
    return give_engine(call.gpu, &call.gpu->encoder_utilization, percent, period);
}

NVML_API nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t handle, unsigned int *percent, unsigned int *period)
{
    GPU_CALL(handle);
    return give_engine(call.gpu, &call.gpu->decoder_utilization, percent, period);
}

NVML_API nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t handle, unsigned int sensor, unsigned int *temperature)
{
    GPU_CALL(handle);
    REQUIRE(sensor == NVML_TEMPERATURE_GPU);
    return give_value(&call.gpu->temperature, 1, temperature);
}

NVML_API nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t handle, nvmlTemperature_v1_t *temperature)
{
    GPU_CALL(handle);
    REQUIRE(temperature);
    if (temperature->version != NVML_STRUCT_VERSION(nvmlTemperature_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    REQUIRE(temperature->sensorType == NVML_TEMPERATURE_GPU);
    unsigned int degrees;
    nvmlReturn_t result = give_value(&call.gpu->temperature, 1, &degrees);
    if (result == NVML_SUCCESS)
        temperature->temperature = (int)degrees;
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t handle, unsigned int which, unsigned int *degrees)
{
    GPU_CALL(handle);
    switch (which) {
    case NVML_TEMPERATURE_THRESHOLD_SHUTDOWN: return give_value(&call.gpu->temperature_shutdown, 1, degrees);
    case NVML_TEMPERATURE_THRESHOLD_SLOWDOWN: return give_value(&call.gpu->temperature_slowdown, 1, degrees);
    case NVML_TEMPERATURE_THRESHOLD_MEM_MAX: return give_value(&call.gpu->temperature_memory_max, 1, degrees);
    case NVML_TEMPERATURE_THRESHOLD_GPU_MAX: return give_value(&call.gpu->temperature_max, 1, degrees);
    default: return NVML_ERROR_NOT_SUPPORTED;
    }
}

NVML_API nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t handle, unsigned int *milliwatts)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->power, MW_PER_W, milliwatts);
}

NVML_API nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t handle, unsigned int *enabled)
{
    GPU_CALL(handle);
    REQUIRE(enabled);
    *enabled = call.gpu->power_limit.known;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t handle, unsigned int *milliwatts)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->power_limit, MW_PER_W, milliwatts);
}

NVML_API nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t handle, unsigned int *milliwatts)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->power_limit, MW_PER_W, milliwatts);
}

NVML_API nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t handle, unsigned int *milliwatts)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->power_limit_default, MW_PER_W, milliwatts);
}

NVML_API nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t handle, unsigned int *lowest,
                                                                   unsigned int *highest)
{
    GPU_CALL(handle);
    nvmlReturn_t result = give_value(&call.gpu->power_limit_min, MW_PER_W, lowest);
    return result == NVML_SUCCESS ? give_value(&call.gpu->power_limit_max, MW_PER_W, highest) : result;
}

NVML_API nvmlReturn_t nvmlDeviceGetPowerSource(nvmlDevice_t handle, unsigned int *source)
{
    GPU_CALL(handle);
    REQUIRE(source);
    *source = NVML_POWER_SOURCE_AC;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t handle, nvml_u64 *millijoules)
{
    GPU_CALL(handle);
    REQUIRE(millijoules);
    if (!call.gpu->power.known)
        return NVML_ERROR_NOT_SUPPORTED;
    *millijoules = energy_of(handle, call.gpu);
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetNumFans(nvmlDevice_t handle, unsigned int *fans)
{
    GPU_CALL(handle);
    REQUIRE(fans);
    *fans = call.gpu->fan.known;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t handle, unsigned int *percent)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->fan, 1, percent);
}

NVML_API nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t handle, unsigned int fan, unsigned int *percent)
{
    GPU_CALL(handle);
    REQUIRE(fan == 0);
    return give_value(&call.gpu->fan, 1, percent);
}

NVML_API nvmlReturn_t nvmlDeviceGetTargetFanSpeed(nvmlDevice_t handle, unsigned int fan, unsigned int *percent)
{
    GPU_CALL(handle);
    REQUIRE(fan == 0);
    return give_value(&call.gpu->fan, 1, percent);
}

static const struct value *clock_now(const struct gpu *gpu, unsigned int clock)
{
    const struct value *clocks[NVML_CLOCK_COUNT] = {&gpu->clock_graphics, &gpu->clock_sm, &gpu->clock_memory,
                                                    &gpu->clock_video};
    return clock < NVML_CLOCK_COUNT ? clocks[clock] : NULL;
}

static const struct value *clock_max(const struct gpu *gpu, unsigned int clock)
{
    const struct value *clocks[NVML_CLOCK_COUNT] = {&gpu->clock_graphics_max, &gpu->clock_sm_max,
                                                    &gpu->clock_memory_max, &gpu->clock_video_max};
    return clock < NVML_CLOCK_COUNT ? clocks[clock] : NULL;
}

static nvmlReturn_t give_clock(const struct value *clock, unsigned int *mhz)
{
    return clock ? give_value(clock, 1, mhz) : NVML_ERROR_INVALID_ARGUMENT;
}

NVML_API nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t handle, unsigned int clock, unsigned int *mhz)
{
    GPU_CALL(handle);
    return give_clock(clock_now(call.gpu, clock), mhz);
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t handle, unsigned int clock, unsigned int *mhz)
{
    GPU_CALL(handle);
    return give_clock(clock_max(call.gpu, clock), mhz);
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxCustomerBoostClock(nvmlDevice_t handle, unsigned int clock, unsigned int *mhz)
{
    GPU_CALL(handle);
    return give_clock(clock_max(call.gpu, clock), mhz);
}

/* Nobody has lowered the application clocks of a simulated GPU: they are the highest ones. */
NVML_API nvmlReturn_t nvmlDeviceGetApplicationsClock(nvmlDevice_t handle, unsigned int clock, unsigned int *mhz)
{
    GPU_CALL(handle);
    return give_clock(clock_max(call.gpu, clock), mhz);
}

NVML_API nvmlReturn_t nvmlDeviceGetDefaultApplicationsClock(nvmlDevice_t handle, unsigned int clock, unsigned int *mhz)
{
    GPU_CALL(handle);
    return give_clock(clock_max(call.gpu, clock), mhz);
}

NVML_API nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t handle, unsigned int clock, unsigned int id, unsigned int *mhz)
{
    GPU_CALL(handle);
    REQUIRE(id <= NVML_CLOCK_ID_CUSTOMER_BOOST_MAX);
    return give_clock(id == NVML_CLOCK_ID_CURRENT ? clock_now(call.gpu, clock) : clock_max(call.gpu, clock), mhz);
}

static nvmlReturn_t give_reasons(const struct gpu *gpu, nvml_u64 *reasons)
{
    unsigned int bits;
    REQUIRE(reasons);
    nvmlReturn_t result = give_word(gpu->throttle, &bits);
    if (result == NVML_SUCCESS)
        *reasons = bits;
    return result;
}

static nvmlReturn_t give_known_reasons(nvml_u64 *reasons)
{
    static const nvml_u64 EVERY_REASON = 0x1FF;
    REQUIRE(reasons);
    *reasons = EVERY_REASON;
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t handle, nvml_u64 *reasons)
{
    GPU_CALL(handle);
    return give_reasons(call.gpu, reasons);
}

NVML_API nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t handle, nvml_u64 *reasons)
{
    GPU_CALL(handle);
    return give_reasons(call.gpu, reasons);
}

NVML_API nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t handle, nvml_u64 *reasons)
{
    GPU_CALL(handle);
    return give_known_reasons(reasons);
}

NVML_API nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t handle, nvml_u64 *reasons)
{
    GPU_CALL(handle);
    return give_known_reasons(reasons);
}

NVML_API nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t handle, unsigned int *state)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->performance_state, 1, state);
}

NVML_API nvmlReturn_t nvmlDeviceGetPowerState(nvmlDevice_t handle, unsigned int *state)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->performance_state, 1, state);
}

NVML_API nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t handle, unsigned int *generation)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->pcie_generation, 1, generation);
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t handle, unsigned int *generation)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->pcie_generation_max, 1, generation);
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t handle, unsigned int *generation)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->pcie_generation_max, 1, generation);
}

NVML_API nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t handle, unsigned int *width)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->pcie_width, 1, width);
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t handle, unsigned int *width)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->pcie_width_max, 1, width);
}

NVML_API nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t handle, unsigned int counter, unsigned int *kib_s)
{
    GPU_CALL(handle);
    REQUIRE(counter == NVML_PCIE_UTIL_TX_BYTES || counter == NVML_PCIE_UTIL_RX_BYTES);
    bool sent = counter == NVML_PCIE_UTIL_TX_BYTES;
    return give_value(sent ? &call.gpu->pcie_tx_kib_s : &call.gpu->pcie_rx_kib_s, 1, kib_s);
}

NVML_API nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t handle, unsigned int *replays)
{
    GPU_CALL(handle);
    return give_value(&call.gpu->pcie_replays, 1, replays);
}
