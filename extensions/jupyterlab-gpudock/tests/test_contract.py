"""What the server sends has the shape of the contract, field by field."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
from samples import A100, HEALTHY

from jupyterlab_gpudock import contract
from jupyterlab_gpudock.checks.runner import STEPS, Check
from jupyterlab_gpudock.kernel import kernel_state
from jupyterlab_gpudock.kernel.assessment import assess
from jupyterlab_gpudock.kernel.environment import Environment, Problem
from jupyterlab_gpudock.nvml.readings import CHANGING, GPU, Missing, PCIe, Process, Snapshot, State

NOT_REQUIRED = typing.NotRequired


def misfits(document: object, shape: object, where: str = "") -> list[str]:
    """Where a document differs from a type of the contract."""
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if typing.is_typeddict(shape):
        if not isinstance(document, dict):
            return [f"{where}: no object"]
        # Python 3.11 does not see NotRequired in annotations that are text.
        hints = typing.get_type_hints(shape, include_extras=True)
        required = {n for n, hint in hints.items() if typing.get_origin(hint) is not NOT_REQUIRED}
        found = [f"{where}.{name} is missing" for name in required - set(document)]
        found += [f"{where}.{name} is unknown" for name in set(document) - set(hints)]
        for name in set(document) & set(hints):
            found += misfits(document[name], hints[name], f"{where}.{name}")
        return found
    if origin is NOT_REQUIRED:
        return misfits(document, arguments[0], where)
    if origin is typing.Literal:
        return [] if document in arguments else [f"{where}: {document!r} is none of {arguments}"]
    if origin is list:
        if not isinstance(document, list):
            return [f"{where}: no list"]
        return [one for item in document for one in misfits(item, arguments[0], f"{where}[]")]
    if origin is dict:
        if not isinstance(document, dict):
            return [f"{where}: no object"]
        return [one for item in document.values() for one in misfits(item, arguments[1], where)]
    if arguments:  # a union
        tried = [misfits(document, one, where) for one in arguments]
        return [] if [] in tried else min(tried, key=len)
    wanted = (int, float) if shape is float else shape
    is_it = isinstance(document, wanted) and (shape is bool or not isinstance(document, bool))
    return [] if is_it else [f"{where}: {document!r} is no {shape}"]


def sent(document: object) -> object:
    """The document as it arrives."""
    return json.loads(json.dumps(document, allow_nan=False))


def test_the_comparison_finds_what_does_not_fit():
    assert misfits({"type": "stale", "age_s": 3}, contract.StaleFrame) == []
    assert misfits({"type": "stale"}, contract.StaleFrame)
    assert misfits({"type": "fresh", "age_s": 3}, contract.StaleFrame)
    assert misfits({"type": "stale", "age_s": "3"}, contract.StaleFrame)
    assert misfits({"type": "stale", "age_s": 3, "more": 1}, contract.StaleFrame)


def test_a_snapshot_with_everything_in_it():
    gpu = dataclasses.replace(
        A100,
        throttle=("sw_power_cap",),
        pcie=PCIe(4, 4, 16, 16),
        health=("remap_pending",),
        processes=(
            Process(
                7,
                "compute",
                Missing.NOT_SUPPORTED,
                "python",
                "certain",
                "same_pid",
                {"kind": "kernel", "kernel_id": "k"},
            ),
        ),
    )
    reading = dataclasses.replace(HEALTHY, gpus=(gpu,))
    document = Snapshot(1, 1.0, 1.0, 1.0, reading).document(age_s=0.5, stale=False)
    assert misfits(sent(document), contract.SnapshotFrame) == []


@pytest.mark.parametrize(
    ("words", "literal"),
    [
        ({state.value for state in State}, contract.GPUState),
        ({missing.value for missing in Missing}, contract.Missing),
    ],
)
def test_values_of_the_server_and_of_the_contract_are_the_same(words, literal):
    assert words == set(typing.get_args(literal))


def test_a_delta_can_change_what_the_contract_marks():
    assert set(CHANGING) < set(GPU.__slots__)
    hints = typing.get_type_hints(contract.EnvironmentDocument)
    problems = typing.get_args(typing.get_args(hints["problem"])[0])
    assert set(problems) == {problem.value for problem in Problem}


async def test_the_routes_answers(jp_fetch):
    shapes = {
        "gpus": contract.SnapshotFrame,
        "history": contract.HistoryDocument,
        "environments": contract.EnvironmentsDocument,
        "stack": contract.StackDocument,
        "snippets": contract.SnippetsDocument,
        "lease": contract.LeaseDocument,
        "checks": contract.ChecksDocument,
        "limits": contract.LimitsDocument,
        "ends": contract.KernelEndsDocument,
    }
    for name, shape in shapes.items():
        document = json.loads((await jp_fetch("gpudock", "api", name)).body)
        assert misfits(document, shape, name) == []


def test_a_verdict_a_check_and_a_kernels_state():
    verdict = assess(HEALTHY, Environment(problem=Problem.TORCH_MISSING)).document()
    assert misfits(sent(verdict), contract.VerdictDocument) == []
    check = Check("id", "GPU-1", "A100", "python3", 1.0).document()
    assert misfits(sent(check), contract.CheckDocument) == []
    names = typing.get_type_hints(contract.CheckStep)["name"]
    assert set(STEPS) == set(typing.get_args(names))
    state = kernel_state.state(None)
    assert misfits(sent(state), contract.KernelState) == []
    assert misfits(sent(kernel_state.release(None)), contract.ReleaseDocument) == []
