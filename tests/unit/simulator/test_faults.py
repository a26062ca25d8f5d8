"""Faults of a simulated GPU, of its driver, and of its state file are those of real ones."""

import random
import subprocess
import sys

import pynvml
import pytest

from simulator import (
    Gpu,
    Process,
    Simulator,
)
from simulator.library import SOURCES

CHECKS = SOURCES.parent / "checks"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("lost", pynvml.NVML_ERROR_GPU_IS_LOST),
        ("reset_required", pynvml.NVML_ERROR_RESET_REQUIRED),
        ("unknown", pynvml.NVML_ERROR_UNKNOWN),
    ],
)
def test_a_faulty_gpu_fails_alone_and_comes_back(host, fault, error):
    host.create(Gpu.of_model("A100"), Gpu.of_model("L4"))
    with host.client() as client:
        client.ask("keep('bad', gpu(0))")
        host.simulator.update(0, fault=fault)
        with host.client() as newcomer:
            assert newcomer.ask("nvmlDeviceGetCount()") == 2
            assert newcomer.error_of("gpu(0)") == error
            assert newcomer.ask("nvmlDeviceGetName(gpu(1))") == "NVIDIA L4"
        assert client.error_of("nvmlDeviceGetUtilizationRates(kept['bad'])") == error
        assert client.error_of("nvmlDeviceGetVgpuMetadata(kept['bad'])") == error
        host.simulator.update(0, fault=None)
        with host.client() as newcomer:
            assert newcomer.ask("nvmlDeviceGetName(gpu(0))") == "NVIDIA A100-SXM4-40GB"


def test_a_gpu_taken_out_fell_off_the_bus(host):
    host.create(Gpu.of_model("A100"), Gpu.of_model("L4"))
    with host.client() as client:
        client.ask("keep('gone', gpu(0))")
        host.simulator.remove_device(0)
        client.wait_for("nvmlDeviceGetCount()", lambda count: count == 1)
        error = client.error_of("nvmlDeviceGetTemperature(kept['gone'], 0)")
        assert error == pynvml.NVML_ERROR_GPU_IS_LOST


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("driver_not_loaded", pynvml.NVML_ERROR_DRIVER_NOT_LOADED),
        ("version_mismatch", pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH),
        ("unknown", pynvml.NVML_ERROR_UNKNOWN),
    ],
)
def test_a_driver_fault_keeps_nvml_from_initialising(host, fault, error):
    host.create(Gpu.of_model("A100")).simulator.update_system(fault=fault)
    with host.client(initialize=False) as client:
        assert client.error_of("nvmlInit()") == error
        host.simulator.update_system(fault=None)
        assert client.error_of("nvmlInit()") == 0


def test_without_a_state_file_the_driver_is_not_loaded(host):
    with host.client(initialize=False) as client:
        assert client.error_of("nvmlInit()") == pynvml.NVML_ERROR_DRIVER_NOT_LOADED


def test_a_slow_function_is_slow_and_others_are_not(host):
    host.create(Gpu.of_model("A100"))
    host.simulator.update_system(slow={"nvmlDeviceGetPcieThroughput": 60})
    timed = "(time := __import__('time').perf_counter, t := time(), {}, time() - t)[-1]"
    with host.client() as client:
        slow = client.ask(timed.format("nvmlDeviceGetPcieThroughput(gpu(0), 0)"))
        assert slow >= 0.06
        fast = min(client.ask(timed.format("nvmlDeviceGetPowerUsage(gpu(0))")) for _ in range(5))
        assert fast < 0.03


def test_a_hanging_call_returns_when_the_state_lets_it(host):
    host.create(Gpu.of_model("A100")).simulator.update_system(hang="nvmlDeviceGetPowerUsage")
    with host.client() as client:
        assert client.ask("nvmlDeviceGetTemperature(gpu(0), 0)") == 34
        client.send("nvmlDeviceGetPowerUsage(gpu(0))")
        assert not client.has_answered(within_s=0.3)
        host.simulator.update_system(hang=None)
        assert client.has_answered(within_s=20)
        assert client.receive() == 52000


def test_a_hanging_gpu_holds_up_only_calls_to_itself(host):
    host.create(Gpu.of_model("A100", fault="hanging"), Gpu.of_model("L4"))
    with host.client() as client:
        assert client.ask("nvmlDeviceGetTemperature(gpu(1), 0)") == 34
        client.send("nvmlDeviceGetTemperature(gpu(0), 0)")
        assert not client.has_answered(within_s=0.3)
        host.simulator.update(0, fault=None)
        assert client.has_answered(within_s=20)
        assert client.receive() == 34


MALFORMED = {
    "no section": "uuid = GPU-1\n",
    "unknown section": "[gpus]\n",
    "unclosed section": "[gpu 0\nuuid = GPU-1\nname = A\n",
    "no number": "[gpu x]\nuuid = GPU-1\nname = A\n",
    "unknown key": "[gpu 0]\nuuid = GPU-1\nname = A\nutilisation = 4\n",
    "no equals sign": "[gpu 0]\nuuid = GPU-1\nname = A\nfan\n",
    "not a number": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = fast\n",
    "not finite": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = nan\n",
    "wave without period": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = wave 1 2\n",
    "wave with period 0": "[gpu 0]\nuuid = GPU-1\nname = A\nfan = wave 1 2 0\n",
    "unknown word": "[gpu 0]\nuuid = GPU-1\nname = A\necc = maybe\n",
    "no uuid": "[gpu 0]\nname = A\n",
    "same uuid": "[gpu 0]\nuuid = GPU-1\nname = A\n[gpu 1]\nuuid = GPU-1\nname = A\n",
    "same minor": "[gpu 0]\nuuid = GPU-1\nname = A\n[gpu 0]\nuuid = GPU-2\nname = A\n",
    "slice of no gpu": "[slice 0:0]\nuuid = MIG-1\nprofile = 1g.5gb\n",
    "process without name": "[gpu 0]\nuuid = GPU-1\nname = A\nprocess = 1 compute 5\n",
    "long text": f"[gpu 0]\nuuid = GPU-1\nname = {'A' * 200}\n",
    "too many gpus": "".join(f"[gpu {n}]\nuuid = GPU-{n}\nname = A\n" for n in range(65)),
    "nul byte": "[gpu 0]\nuuid = GPU-1\nname = A\n\0fan = 3\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_state_is_an_unknown_error_until_it_is_mended(host, text):
    host.create(Gpu.of_model("A100"))
    good = host.simulator.state_file.read_text()
    with host.client() as client:
        client.ask("keep('gpu', gpu(0))")
        host.simulator.state_file.write_text(text)
        with host.client(initialize=False) as newcomer:
            assert newcomer.error_of("nvmlInit()") == pynvml.NVML_ERROR_UNKNOWN
        assert client.error_of("nvmlDeviceGetName(kept['gpu'])") == pynvml.NVML_ERROR_UNKNOWN
        host.simulator.state_file.write_text(good)
        with host.client() as newcomer:
            assert newcomer.ask("nvmlDeviceGetCount()") == 1


def test_no_text_breaks_the_parser(tmp_path):
    program = tmp_path / "fuzz"
    sources = [CHECKS / "parse_all.c", SOURCES / "parser.c", SOURCES / "state.c"]
    options = ["-std=gnu11", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
    built = subprocess.run(
        ["cc", *options, f"-I{SOURCES}", *map(str, sources), "-o", str(program), "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if built.returncode != 0 and "asan" in built.stderr:
        pytest.skip("this compiler has no address sanitizer")
    assert built.returncode == 0, built.stderr
    chance = random.Random(20)
    seed = Simulator(tmp_path).create(
        [Gpu.of_model("A100", slices=["1g.5gb"], processes=(Process(1, 2, "a b"),), lively=True)]
    ).state_file.read_bytes()  # fmt: skip
    pieces = b"[gpu 0]|[slice 0:1]|wave 1 2 3|=|\n|none|1e308|-1|#|]|[|,|\xff\xfe".split(b"|")
    pieces += [b"process = 1 compute 2 x", b"9" * 400, b"slow.x = 1\n"]
    records = [seed]
    for _ in range(4000):
        text = bytearray(seed)
        for _ in range(chance.randint(1, 6)):
            start = chance.randrange(len(text) + 1)
            end = min(len(text), start + chance.choice((0, 1, 3, 40, 800)))
            text[start:end] = chance.choice(
                [*pieces, bytes([chance.randrange(1, 256)]), bytes(text[:end])]
            )
        records.append(bytes(text))
    stream = b"".join(len(text).to_bytes(8, sys.byteorder) + text for text in records)
    done = subprocess.run([str(program)], input=stream, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert 1 <= int(done.stdout) < len(records)  # some are still well-formed, most are not
