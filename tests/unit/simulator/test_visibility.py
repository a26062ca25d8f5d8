"""Who sees which simulated GPU, and which slices of it."""

import pynvml

from simulator import (
    Gpu,
    Process,
)

MIB = 2**20


def test_a_process_sees_only_the_gpus_whose_nodes_it_has(host):
    host.create(*(Gpu.of_model(model) for model in ("A100", "L4", "T4")))
    host.hide("nvidia0")
    hidden, *seen = host.simulator.gpus
    with host.client() as client:
        assert client.ask("nvmlDeviceGetCount()") == 2
        assert client.ask("[nvmlDeviceGetUUID(gpu(i)) for i in (0, 1)]") == [g.uuid for g in seen]
        assert client.ask("nvmlDeviceGetIndex(gpu(1))") == 1
        assert client.ask("nvmlDeviceGetMinorNumber(gpu(1))") == 2
        assert client.error_of(f"by_uuid({hidden.uuid!r})") == pynvml.NVML_ERROR_NOT_FOUND


def test_with_no_node_there_is_a_driver_but_no_gpu(host):
    host.create(Gpu.of_model("A100"))
    host.hide("nvidia0")
    with host.client() as client:
        assert client.ask("nvmlDeviceGetCount()") == 0
        assert client.ask("nvmlSystemGetDriverVersion()") == "550.163.01"


def test_slices_have_their_own_uuid_memory_and_processes(host):
    host.create(Gpu.of_model("A100", slices=["2g.10gb", "1g.5gb"]))
    parent = host.simulator.gpu(0)
    small = parent.slices[1]
    host.simulator.update(small.uuid, memory_used_mib=700, processes=[Process(9, 650, "job")])
    with host.client() as client:
        assert client.ask("nvmlDeviceGetMigMode(gpu(0))") == [1, 1]
        assert client.ask("nvmlDeviceGetUUID(mig(0, 1))") == small.uuid
        assert client.error_of("mig(0, 2)") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.ask("nvmlDeviceGetName(mig(0, 1))") == "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
        assert client.ask("nvmlDeviceIsMigDeviceHandle(mig(0, 1))") == 1
        memory = client.ask(f"nvmlDeviceGetMemoryInfo(by_uuid({small.uuid!r}))")
        assert (memory["total"], memory["used"]) == (4864 * MIB, 700 * MIB)
        whole = client.ask("nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2)")
        assert whole["used"] == 700 * MIB
        attributes = client.ask("nvmlDeviceGetAttributes_v2(mig(0, 0))")
        assert (attributes["multiprocessorCount"], attributes["memorySizeMB"]) == (28, 9856)
        assert client.ask("nvmlDeviceGetGpuInstanceId(mig(0, 1))") == small.gpu_instance
        assert client.ask("nvmlDeviceGetComputeInstanceId(mig(0, 1))") == 0
        parent_of = "nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig(0, 1))"
        assert client.ask(f"nvmlDeviceGetUUID({parent_of})") == parent.uuid
        listed = "[(p.pid, p.gpuInstanceId) for p in nvmlDeviceGetComputeRunningProcesses({})]"
        assert client.ask(listed.format("mig(0, 1)")) == [[9, small.gpu_instance]]
        assert client.ask(listed.format("gpu(0)")) == [[9, small.gpu_instance]]
        assert client.ask(listed.format("mig(0, 0)")) == []
        for handle in ("gpu(0)", "mig(0, 1)"):
            error = client.error_of(f"nvmlDeviceGetUtilizationRates({handle})")
            assert error == pynvml.NVML_ERROR_NOT_SUPPORTED


def test_a_slice_is_seen_only_with_both_its_nodes(host):
    host.create(Gpu.of_model("A100", slices=["2g.10gb", "1g.5gb"]))
    first, second = host.simulator.gpu(0).slices
    host.hide(f"nvidia-caps/nvidia-cap{first.compute_instance_capability}")
    with host.client() as client:
        assert client.ask("nvmlDeviceGetUUID(mig(0, 0))") == second.uuid
        assert client.ask("nvmlDeviceGetIndex(mig(0, 0))") == 0
        assert client.error_of("mig(0, 1)") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.error_of(f"by_uuid({first.uuid!r})") == pynvml.NVML_ERROR_NOT_FOUND


def test_with_mig_off_there_are_no_slices(host):
    host.create(Gpu.of_model("A100", slices=["1g.5gb"]))
    piece = host.simulator.gpu(0).slices[0]
    host.simulator.update(0, mig=False)
    with host.client() as client:
        assert client.error_of("mig(0, 0)") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.error_of(f"by_uuid({piece.uuid!r})") == pynvml.NVML_ERROR_NOT_FOUND
        assert client.ask("nvmlDeviceGetUtilizationRates(gpu(0)).gpu") == 0
