"""What the names of devices stand for that others gave to a container."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doubles.inventory import gpu, mig_slice, uuid
from gpudock.model import GPUReading
from gpudock.policy.device_names import resolve

ZERO, ONE = gpu(0), gpu(1)
# A GPU that is cut into slices is reported by its slices.
TWO = gpu(2)
SLICES = tuple(replace(mig_slice(number, TWO), index=2) for number in (10, 11))
LAB = (
    GPUReading(ZERO, minor=1),
    GPUReading(ONE, minor=0),
    GPUReading(SLICES[0], minor=2, mig_number=0),
    GPUReading(SLICES[1], minor=2, mig_number=1),
)
ALL = [reading.gpu.uuid for reading in LAB]
ON_TWO = [part.uuid for part in SLICES]
STRANGE = "GPU-99999999-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("names", "held"),
    [
        (["0"], [ZERO.uuid]),
        (["gpu1"], [ONE.uuid]),
        (["1", "0"], [ZERO.uuid, ONE.uuid]),
        (["2"], ON_TWO),
        ([ZERO.uuid], [ZERO.uuid]),
        ([ZERO.uuid.upper()], [ZERO.uuid]),
        ([ZERO.uuid[:12]], [ZERO.uuid]),
        ([TWO.uuid], ON_TWO),
        ([SLICES[0].uuid], ON_TWO[:1]),
        (["2:0"], ON_TWO[:1]),
        (["2:1"], ON_TWO[1:]),
        (["mig2:1"], ON_TWO[1:]),
        ([f"MIG-{TWO.uuid}/3/0"], ON_TWO),
        # The number of a device node is not the driver's index.
        (["/dev/nvidia0"], [ONE.uuid]),
        (["/dev/nvidia2"], ON_TWO),
        # A whole GPU that the lab does not have.
        ([STRANGE], []),
        ([f"MIG-{STRANGE}/1/0"], []),
        ([], []),
        # What cannot be resolved counts as all.
        (["all"], ALL),
        (["0", "all"], ALL),
        (["7"], ALL),
        (["7:0"], ALL),
        (["2:2"], ON_TWO),
        (["0:0"], ALL),
        (["/dev/nvidia7"], ALL),
        ([uuid(99, "MIG")], ALL),
        (["MIG-0929581a"], ALL),
        (["GPU-f"], ALL),
        (["00000000:01:00.0"], ALL),
        (["banana"], ALL),
    ],
)
def test_a_name_stands_for_the_devices_that_it_may_give(names, held):
    assert resolve(names, LAB) == held


@pytest.mark.parametrize("numbers", [(0, 2), (1, 2), (0, None)])
def test_slices_whose_numbers_are_in_doubt_may_be_any_of_their_gpu(numbers):
    doubtful = [
        replace(item, mig_number=number) for item, number in zip(LAB[2:], numbers, strict=True)
    ]
    for name in ("2:0", "2:1", "2:2"):
        assert resolve([name], [*LAB[:2], *doubtful]) == ON_TWO


def test_numbers_that_are_not_known_stand_for_all_that_they_may_be():
    plain = [GPUReading(reading.gpu) for reading in LAB]
    assert resolve(["2:0"], plain) == ON_TWO
    assert resolve(["/dev/nvidia0"], plain) == ALL


def test_devices_are_known_before_they_are_read():
    known = [ZERO, ONE]
    assert resolve([ONE.uuid], (), known) == [ONE.uuid]
    # Indices may have changed since they were stored; what is not read yet is not granted either.
    assert resolve(["1"], (), known) == []
    assert resolve(["all"], (), known) == resolve(["x"], (), known) == [ZERO.uuid, ONE.uuid]
    assert resolve(["all"], LAB, [*known, gpu(5)]) == [ZERO.uuid, ONE.uuid, uuid(5), *ON_TWO]


def test_a_gpu_in_mig_mode_stands_for_its_slices_and_for_itself_without_any():
    whole = GPUReading(TWO, minor=2, mig_enabled=True)
    for name in ("2", TWO.uuid, "/dev/nvidia2"):
        assert resolve([name], [*LAB, whole]) == ON_TWO
        assert resolve([name], [*LAB[:2], whole], [TWO]) == [TWO.uuid]
    assert resolve(["2:0"], [*LAB, whole], [TWO]) == ON_TWO[:1]
