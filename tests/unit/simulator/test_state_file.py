"""The simulated GPUs' state is written, changed and checked from Python."""

import dataclasses
import re

import pytest

from simulator import (
    Gpu,
    Process,
    Simulator,
    SimulatorError,
)
from simulator import format as text_format
from simulator.cdi import node_names
from simulator.library import SOURCES


def test_a_state_is_read_back_as_it_was_written(tmp_path):
    gpus = [
        Gpu.of_model("A100", slices=["1g.5gb"], fan=None, throttle=("sw_power_cap", "hw_thermal")),
        Gpu.of_model("RTX 4090", 1, lively=True, processes=(Process(7, None, "a  b = c"),)),
    ]
    simulator = Simulator(tmp_path).create(gpus)
    simulator.update_system(slow={"*": 1.5, "nvmlInit_v2": 20}, fault="unknown", hang="all")
    assert simulator.gpus == gpus
    system = simulator.system
    assert (system.slow, system.fault) == ({"*": 1.5, "nvmlInit_v2": 20}, "unknown")
    assert system.hang == "all"


def test_gpus_that_share_an_index_are_numbered(tmp_path):
    simulator = Simulator(tmp_path).create([Gpu.of_model("A100", slices=["1g.5gb"])] * 1)
    first = simulator.gpu(0)
    simulator.create([Gpu.of_model("L4"), first])
    moved = simulator.gpu(1)
    assert moved.uuid == first.uuid
    assert moved.pci_bus_id != first.pci_bus_id
    assert not set(node_names(moved)) & set(node_names(first))


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": 4},
        {"utilization": "fast"},
        {"utilization": float("nan")},
        {"fault": "tired"},
        {"name": "two\nlines"},
        {"name": "A" * 200},
        {"ecc": "on"},
        {"throttle": ("boredom",)},
        {"processes": [Process(1, 1, "x", "compiling")]},
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(tmp_path, changes):
    simulator = Simulator(tmp_path).create([Gpu.of_model("A100")])
    before = simulator.state_file.read_bytes()
    with pytest.raises(SimulatorError):
        simulator.update(0, **changes)
    assert simulator.state_file.read_bytes() == before


def test_the_documented_state_file_is_one_that_works(host):
    example = (SOURCES.parent / "README.md").read_text().split("```\n[system]")[1].split("```")[0]
    host.create()
    host.simulator.state_file.write_text(f"[system]{example}")
    for node in ("nvidia0", "nvidia-caps/nvidia-cap66", "nvidia-caps/nvidia-cap67"):
        host.show(node)
    piece = host.simulator.gpu(0).slices[0]
    with host.client() as client:
        assert client.ask("nvmlDeviceGetUUID(mig(0, 0))") == piece.uuid
        assert client.ask("nvmlSystemGetProcessName(4712)") == "python serve.py"


def test_every_field_of_a_gpu_is_documented():
    text = (SOURCES.parent / "README.md").read_text()
    table = text.split("| keys of a GPU")[1].split("\n\n")[0]
    fields = {each.name for each in dataclasses.fields(Gpu)} - {
        "index",
        "fault",
        "processes",
        "slices",
    }
    words = set(re.findall(r"`(\w+)`", table))
    with_max = {"clock_graphics", "clock_sm", "clock_memory", "clock_video"}
    with_max |= {"pcie_generation", "pcie_width"}
    documented = words | {f"{name}_max" for name in with_max}
    assert fields <= documented


def test_what_a_person_got_wrong_is_named_with_its_line():
    with pytest.raises(SimulatorError, match="Line 2"):
        text_format.parse("[gpu 0]\nfan = fast\n")


def test_an_unknown_model_or_profile_is_refused_with_what_there_is():
    with pytest.raises(SimulatorError, match="RTX 4090"):
        Gpu.of_model("GTX 970")
    with pytest.raises(SimulatorError, match=r"1g\.5gb"):
        Gpu.of_model("A100", slices=["1g.10gb"])
    with pytest.raises(SimulatorError, match="no room"):
        Gpu.of_model("A100", slices=["4g.20gb", "4g.20gb"])
