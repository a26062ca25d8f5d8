/* Readings by number (nvmlDeviceGetFieldValues). */
#define _GNU_SOURCE
#include "calls.h"

enum {
    FIELD_ECC_CURRENT = 1,
    FIELD_ECC_PENDING = 2,
    FIELD_ECC_SBE_VOLATILE = 3,
    FIELD_ECC_DBE_VOLATILE = 4,
    FIELD_ECC_SBE_AGGREGATE = 5,
    FIELD_ECC_DBE_AGGREGATE = 6,
    FIELD_MEMORY_TEMPERATURE = 82,
    FIELD_TOTAL_ENERGY = 83,
    FIELD_NVLINK_SPEED_COMMON = 90,
    FIELD_NVLINK_LINK_COUNT = 91,
    FIELD_PCIE_REPLAYS = 94,
    FIELD_REMAPPED_CORRECTED = 142,
    FIELD_REMAPPED_UNCORRECTED = 143,
    FIELD_REMAPPED_PENDING = 144,
    FIELD_REMAPPED_FAILURE = 145,
    FIELD_POWER_AVERAGE = 185,
    FIELD_POWER_INSTANT = 186,
    FIELD_POWER_LIMIT_MIN = 187,
    FIELD_POWER_LIMIT_MAX = 188,
    FIELD_POWER_LIMIT_DEFAULT = 189,
    FIELD_POWER_LIMIT_CURRENT = 190,
    FIELD_ENERGY = 191,
    FIELD_POWER_LIMIT_REQUESTED = 192,
};

enum { POWER_SCOPE_GPU = 0 };

static const double MW_PER_W = 1000;
static const unsigned int NVLINK_SPEED_MB_S = 25781;

static nvmlReturn_t give_ui(const struct value *value, double scale, nvmlFieldValue_t *field)
{
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
    return give_value(value, scale, &field->value.uiVal);
}

static nvmlReturn_t give_ull(const struct value *value, nvmlFieldValue_t *field)
{
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
    return give_value_u64(value, 1, &field->value.ullVal);
}

static nvmlReturn_t give_switch(int word, nvmlFieldValue_t *field)
{
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
    return give_word(word, &field->value.uiVal);
}

static nvmlReturn_t give_energy(nvmlDevice_t handle, const struct gpu *gpu, nvmlFieldValue_t *field)
{
    if (!gpu->power.known)
        return NVML_ERROR_NOT_SUPPORTED;
    field->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
    field->value.ullVal = energy_of(handle, gpu);
    return NVML_SUCCESS;
}

static nvmlReturn_t give_field(nvmlDevice_t handle, const struct gpu *gpu, nvmlFieldValue_t *field)
{
    bool of_power = field->fieldId >= FIELD_POWER_AVERAGE && field->fieldId <= FIELD_POWER_LIMIT_REQUESTED;
    if (of_power && field->scopeId != POWER_SCOPE_GPU) /* the module's, the memory's */
        return NVML_ERROR_NOT_SUPPORTED;
    switch (field->fieldId) {
    case FIELD_ECC_CURRENT:
    case FIELD_ECC_PENDING: return give_switch(gpu->ecc, field);
    case FIELD_ECC_SBE_VOLATILE:
    case FIELD_ECC_SBE_AGGREGATE: return give_ull(&gpu->ecc_corrected, field);
    case FIELD_ECC_DBE_VOLATILE:
    case FIELD_ECC_DBE_AGGREGATE: return give_ull(&gpu->ecc_uncorrected, field);
    case FIELD_MEMORY_TEMPERATURE: return give_ui(&gpu->temperature_memory, 1, field);
    case FIELD_TOTAL_ENERGY:
    case FIELD_ENERGY: return give_energy(handle, gpu, field);
    case FIELD_NVLINK_SPEED_COMMON:
        field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
        field->value.uiVal = NVLINK_SPEED_MB_S;
        return gpu->nvlinks.known ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
    case FIELD_NVLINK_LINK_COUNT: return give_ui(&gpu->nvlinks, 1, field);
    case FIELD_PCIE_REPLAYS: return give_ui(&gpu->pcie_replays, 1, field);
    case FIELD_REMAPPED_CORRECTED: return give_ui(&gpu->remapped_corrected, 1, field);
    case FIELD_REMAPPED_UNCORRECTED: return give_ui(&gpu->remapped_uncorrected, 1, field);
    case FIELD_REMAPPED_PENDING: return give_switch(gpu->remapped_pending, field);
    case FIELD_REMAPPED_FAILURE: return give_switch(gpu->remapped_failure, field);
    case FIELD_POWER_AVERAGE:
    case FIELD_POWER_INSTANT: return give_ui(&gpu->power, MW_PER_W, field);
    case FIELD_POWER_LIMIT_MIN: return give_ui(&gpu->power_limit_min, MW_PER_W, field);
    case FIELD_POWER_LIMIT_MAX: return give_ui(&gpu->power_limit_max, MW_PER_W, field);
    case FIELD_POWER_LIMIT_DEFAULT: return give_ui(&gpu->power_limit_default, MW_PER_W, field);
    case FIELD_POWER_LIMIT_CURRENT:
    case FIELD_POWER_LIMIT_REQUESTED: return give_ui(&gpu->power_limit, MW_PER_W, field);
    default: return NVML_ERROR_NOT_SUPPORTED;
    }
}

NVML_API nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t handle, int count, nvmlFieldValue_t *values)
{
    DEVICE_CALL(handle);
    REQUIRE(values && count > 0);
    for (int i = 0; i < count; i++) {
        values[i].timestamp = (long long)(clock_seconds() * 1e6);
        values[i].latencyUsec = 0;
        values[i].nvmlReturn = call.slice ? NVML_ERROR_NOT_SUPPORTED : give_field(handle, call.gpu, &values[i]);
    }
    return NVML_SUCCESS;
}
