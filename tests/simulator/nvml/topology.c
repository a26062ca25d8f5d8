/* How GPUs are connected: NVLinks, and where two GPUs' ways to each other meet on the bus. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "calls.h"

/* What a link leads to. */
struct peer {
    bool known, is_switch;
    unsigned int minor; /* of the other GPU */
};

/* nvlink_peers = PEER:LINKS, … where PEER is another GPU's number, or "switch". The links are numbered in this order. */
static struct peer peer_of(const struct gpu *gpu, unsigned int link)
{
    char text[TEXT_SIZE], *rest, *part;
    unsigned int first = 0, minor, count;
    memcpy(text, gpu->nvlink_peers, sizeof text);
    for (part = strtok_r(text, ", ", &rest); part; part = strtok_r(NULL, ", ", &rest)) {
        bool is_switch = sscanf(part, "switch:%u", &count) == 1;
        if (!is_switch && sscanf(part, "%u:%u", &minor, &count) != 2)
            break;
        if (link - first < count)
            return (struct peer){true, is_switch, is_switch ? 0 : minor};
        first += count;
    }
    return (struct peer){false, false, 0};
}

static nvmlReturn_t check_link(const struct gpu *gpu, unsigned int link)
{
    REQUIRE(link < NVML_NVLINK_MAX_LINKS);
    bool exists = peer_of(gpu, link).known || (gpu->nvlinks.known && link < value_whole(&gpu->nvlinks));
    return exists ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

/* A link that leads nowhere is there, and not active. */
NVML_API nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t handle, unsigned int link, unsigned int *active)
{
    GPU_CALL(handle);
    REQUIRE(active);
    *active = peer_of(call.gpu, link).known;
    return check_link(call.gpu, link);
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t handle, unsigned int link, unsigned int *version)
{
    GPU_CALL(handle);
    REQUIRE(version);
    unsigned int major = (unsigned int)value_whole(&call.gpu->compute_capability);
    *version = major >= 9 ? 4 : major == 8 ? 3 : 2;
    return check_link(call.gpu, link);
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t handle, unsigned int link, unsigned int *type)
{
    GPU_CALL(handle);
    REQUIRE(type && link < NVML_NVLINK_MAX_LINKS);
    struct peer peer = peer_of(call.gpu, link);
    *type = peer.is_switch ? NVML_NVLINK_DEVICE_TYPE_SWITCH : NVML_NVLINK_DEVICE_TYPE_GPU;
    return peer.known ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t handle, unsigned int link, nvmlPciInfo_t *info)
{
    GPU_CALL(handle);
    REQUIRE(info && link < NVML_NVLINK_MAX_LINKS);
    struct peer peer = peer_of(call.gpu, link);
    memset(info, 0, sizeof *info);
    if (peer.is_switch) {
        info->bus = 0xC0;
        snprintf(info->busIdLegacy, sizeof info->busIdLegacy, "0000:C0:00.0");
        snprintf(info->busId, sizeof info->busId, "00000000:C0:00.0");
        return NVML_SUCCESS;
    }
    /* The driver knows GPUs that this process does not see. */
    for (unsigned int i = 0; peer.known && i < call.state->gpu_count; i++)
        if (call.state->gpus[i].minor == peer.minor)
            return read_bus(&call.state->gpus[i], info);
    return NVML_ERROR_NOT_SUPPORTED;
}

static bool same(const struct value *one, const struct value *other)
{
    return one->known && other->known && value_whole(one) == value_whole(other);
}

static bool different(const struct value *one, const struct value *other)
{
    return one->known && other->known && value_whole(one) != value_whole(other);
}

/* GPUs of which nothing else is said hang off one host bridge. */
NVML_API nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t one, nvmlDevice_t other, unsigned int *level)
{
    GPU_CALL(one);
    REQUIRE(other && level);
    const struct gpu *peer = gpu_of(call.state, other);
    REQUIRE(peer);
    if (one == other)
        *level = NVML_TOPOLOGY_INTERNAL;
    else if (same(&call.gpu->pcie_switch, &peer->pcie_switch))
        *level = NVML_TOPOLOGY_SINGLE;
    else if (different(&call.gpu->numa_node, &peer->numa_node))
        *level = NVML_TOPOLOGY_SYSTEM;
    else
        *level = different(&call.gpu->host_bridge, &peer->host_bridge) ? NVML_TOPOLOGY_NODE : NVML_TOPOLOGY_HOSTBRIDGE;
    return NVML_SUCCESS;
}
