"""The simulated library has the interface that nvidia-ml-py was compiled for."""

import ctypes
import json
import os
import subprocess
import sys

import pynvml

from simulator import (
    Gpu,
    Process,
    build_library,
    read_calls,
)
from simulator.library import SOURCES

CHECKS = SOURCES.parent / "checks"


STRUCTS = {
    "nvmlPciInfo_t": "nvmlPciInfo_t",
    "nvmlPciInfo_v2_t": "nvmlPciInfo_v2_t",
    "nvmlPciInfoExt_v1_t": "nvmlPciInfoExt_v1_t",
    "nvmlMemory_t": "c_nvmlMemory_t",
    "nvmlMemory_v2_t": "c_nvmlMemory_v2_t",
    "nvmlBAR1Memory_t": "c_nvmlBAR1Memory_t",
    "nvmlUtilization_t": "c_nvmlUtilization_t",
    "nvmlTemperature_v1_t": "c_nvmlTemperature_v1_t",
    "nvmlProcessInfo_v2_t": "c_nvmlProcessInfo_v2_t",
    "nvmlProcessDetail_v1_t": "c_nvmlProcessDetail_v1_t",
    "nvmlProcessDetailList_v1_t": "c_nvmlProcessDetailList_v1_t",
    "nvmlProcessUtilizationSample_t": "c_nvmlProcessUtilizationSample_t",
    "nvmlDeviceAttributes_t": "c_nvmlDeviceAttributes",
    "nvmlEccErrorCounts_t": "c_nvmlEccErrorCounts_t",
    "nvmlRowRemapperHistogramValues_t": "c_nvmlRowRemapperHistogramValues",
    "nvmlValue_t": "c_nvmlValue_t",
    "nvmlFieldValue_t": "c_nvmlFieldValue_t",
    "nvmlViolationTime_t": "c_nvmlViolationTime_t",
}


def test_structs_have_the_layout_that_nvidia_ml_py_expects(tmp_path):
    lines, expected = [], {}
    for ours, theirs in STRUCTS.items():
        struct = getattr(pynvml, theirs)
        expected[ours] = ctypes.sizeof(struct)
        lines.append(f'printf("\\"{ours}\\": %zu,", sizeof({ours}));')
        for name, *_ in struct._fields_:
            member = name.strip("_")
            expected[f"{ours}.{name}"] = getattr(struct, name).offset
            field = f"{ours}.{name}"
            if member.startswith("reserved") and member != "reserved":
                member = f"reserved[{member.removeprefix('reserved')}]"
            lines.append(f'printf("\\"{field}\\": %zu,", offsetof({ours}, {member}));')
    source = tmp_path / "layout.c"
    body = (
        '#include <stddef.h>\n#include <stdio.h>\n#include "abi.h"\nint main(void) {\nputs("{");\n'
    )
    source.write_text(body + "\n".join(lines) + '\nputs("\\"\\": 0}");\nreturn 0;\n}\n')
    program = tmp_path / "layout"
    subprocess.run(["cc", f"-I{SOURCES}", str(source), "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    layout = json.loads(printed)
    layout.pop("")
    assert layout == expected


def test_the_library_compiles_without_a_warning(tmp_path):
    build_library(("-Werror", "-Wpedantic", "-Wno-variadic-macros"), cache=tmp_path)


def test_threads_read_whole_states_while_it_changes(host):
    host.create(Gpu.of_model("A100"), Gpu.of_model("L4"))
    reader = subprocess.Popen(
        [sys.executable, str(CHECKS / "read_in_threads.py")],
        env=os.environ | host.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    turn = 0
    while reader.poll() is None:
        turn += 1
        step = turn % 51
        processes = [Process(pid, pid) for pid in range(1, step)]
        for index in (0, 1):
            host.simulator.update(
                index, memory_used_mib=10 * step, utilization=step, processes=processes
            )
    printed, _ = reader.communicate()
    seen, bad = printed.split(maxsplit=1)
    assert bad.strip() == "[]"
    assert int(seen) > 3
    assert reader.returncode == 0


def test_calls_are_counted_over_all_processes(host, tmp_path):
    host.create(Gpu.of_model("A100"))
    host.environment["GPUDOCK_SIMULATOR_CALLS"] = str(tmp_path / "calls")
    assert read_calls(tmp_path / "calls") == {}
    for _ in range(2):
        with host.client() as client:
            client.ask("[nvmlDeviceGetPowerUsage(gpu(0)) for _ in range(5)]")
    calls = read_calls(tmp_path / "calls")
    assert calls["nvmlDeviceGetPowerUsage"] == 10
    assert calls["nvmlInitWithFlags"] == 2
