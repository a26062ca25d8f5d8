"""Errors of real engines are recognized as being about GPUs, and about which."""

from __future__ import annotations

import pytest

from gpudock.engine.gpu_errors import recognize

ONE = "GPU-5c1a2b3d-0000-4000-8000-000000000001"
TWO = "GPU-5c1a2b3d-0000-4000-8000-000000000002"
SLICE = "MIG-5c1a2b3d-0000-4000-8000-000000000003"
TASK = "failed to create task for container: failed to create shim task: OCI runtime create failed:"
INIT = f"{TASK} runc create failed: unable to start container process: error during container init:"
HOOK = (
    f"{INIT} error running hook #0: error running hook: exit status 1, stdout: , stderr:"
    " Auto-detected mode as 'legacy'\nnvidia-container-cli:"
)
SPEC = (
    f"{TASK} could not apply required modification to OCI specification: error modifying OCI spec:"
)

GENERAL = [
    'could not select device driver "" with capabilities: [[gpu]].',
    'could not select device driver "nvidia" with capabilities: [[gpu]].',
    'could not select device driver "cdi" with capabilities: [].',
    "unknown or invalid runtime name: nvidia.",
    f"{HOOK} initialization error: nvml error: driver/library version mismatch: unknown.",
    f"{HOOK} initialization error: nvml error: driver not loaded: unknown.",
    f"{HOOK} detection error: nvml error: unknown error: unknown.",
    (
        f"{HOOK} mount error: failed to add device rules: unable to find any existing device"
        " filters attached to the cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not"
        " permitted: unknown."
    ),
    (
        "OCI runtime create failed: unable to retrieve OCI runtime error (open /run/containerd/x/"
        "log.json: no such file or directory): fork/exec /usr/bin/nvidia-container-runtime: no such"
        " file or directory: unknown."
    ),
    (
        "OCI runtime create failed: unable to retrieve OCI runtime error exec:"
        ' "nvidia-container-runtime": executable file not found in $PATH: : unknown.'
    ),
    (
        f"{INIT}"
        " error running createContainer hook #0: fork/exec /usr/bin/nvidia-cdi-hook: no such file"
        " or directory: unknown."
    ),
    (
        f"{INIT}"
        " failed to fulfil mount request: open /usr/lib/libEGL_nvidia.so.590.48.01: no such file or"
        " directory: unknown."
    ),
    (
        f"{INIT}"
        ' error mounting "/usr/lib/x86_64-linux-gnu/libcuda.so.535.161.07" to rootfs at'
        ' "/usr/lib/x86_64-linux-gnu/libcuda.so.535.161.07": stat /usr/lib/x86_64-linux-gnu/'
        "libcuda.so.535.161.07: no such file or directory: unknown."
    ),
    (
        "failed to fulfil mount request: open /run/nvidia-persistenced/socket: no such file or"
        " directory."
    ),
    (
        "crun: error stat'ing file /lib/x86_64-linux-gnu/libEGL_nvidia.so.535.161.07: No such file"
        " or directory: OCI runtime attempted to invoke a command that was not found."
    ),
    (
        f"{SPEC} failed to inject CDI devices: failed to inject devices: failed to stat CDI host"
        ' device "/dev/nvidia-uvm": no such file or directory: unknown.'
    ),
    "CDI device injection failed: no CDI specification directories specified.",
]

NAMED = [
    (f"CDI device injection failed: unresolvable CDI devices nvidia.com/gpu={ONE}.", (ONE,)),
    (f"{SPEC} failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu={SLICE}.",
     (SLICE,)),
    ((f"CDI device injection failed: unresolvable CDI devices nvidia.com/gpu={ONE},"
     f" nvidia.com/gpu={TWO}."), (ONE, TWO)),
    (f"{HOOK} device error: {ONE}: unknown device: unknown.", (ONE,)),
    (f"{HOOK} device error: {ONE.upper()}: unknown device: unknown.", (ONE,)),
]  # fmt: skip

BY_NODE = [
    (('CDI device injection failed: failed to inject devices: failed to stat CDI host device'
     ' "/dev/nvidia3": no such file or directory.'), (3,)),
    (f"{HOOK} mount error: stat failed: /dev/nvidia12: no such file or directory: unknown.", (12,)),
]  # fmt: skip

UNNAMED = [
    (
        'failed to inject devices: failed to stat CDI host device "/dev/dri/card1": no such file or'
        " directory."
    ),
    (
        "CDI device injection failed: failed to stat CDI host device"
        ' "/dev/nvidia-caps/nvidia-cap12":'
        " no such file or directory."
    ),
    (
        f"{HOOK} mount error: stat failed: /proc/driver/nvidia/gpus/cfdd:00:00.0: no such file or"
        " directory: unknown."
    ),
]

OTHERS = [
    "No such image: lab/notebook:1.",
    "Conflict. The container name \"/lab-ada-1\" is already in use by container \"3f0c\".",
    "invalid mount config for type \"bind\": bind source path does not exist: /srv/nvidia/ada.",
    "write /var/lib/docker/overlay2/x/merged: no space left on device.",
    (f"{TASK} runc create failed: unable to start container process: exec: \"start-notebook\":"
    " executable file not found in $PATH: unknown."),
    "failed to fulfil mount request: open /srv/nvidia/datasets: no such file or directory.",
    "error mounting \"/srv/libs/libnotebook.so\" to rootfs: no such file or directory.",
    (f"{HOOK} requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a"
    " newer version, or use an earlier cuda container: unknown."),
    "The Docker Engine at unix:///var/run/docker.sock does not answer (it timed out).",
    "network lab_users not found.",
    "lost.",
]  # fmt: skip


@pytest.mark.parametrize("words", GENERAL)
def test_an_error_of_engine_driver_or_specification_speaks_against_no_gpu(words):
    found = recognize(words, (ONE, TWO))
    assert found is not None
    assert found.general
    assert (found.named, found.minors, found.words) == ((), (), words)


@pytest.mark.parametrize(("words", "named"), NAMED)
def test_an_error_that_names_gpus_speaks_against_these(words, named):
    found = recognize(words, (ONE, TWO, SLICE))
    assert found is not None
    assert not found.general
    assert found.named == named


@pytest.mark.parametrize(("words", "minors"), BY_NODE)
def test_an_error_may_name_a_gpu_by_its_node(words, minors):
    found = recognize(words, (ONE,))
    assert found is not None
    assert (found.general, found.named, found.minors) == (False, (), minors)


@pytest.mark.parametrize("words", UNNAMED)
def test_an_error_may_be_about_a_gpu_without_naming_it(words):
    found = recognize(words, (ONE,))
    assert found is not None
    assert (found.general, found.named, found.minors) == (False, (), ())


@pytest.mark.parametrize("words", OTHERS)
def test_any_other_error_is_not_about_gpus(words):
    assert recognize(words, (ONE,)) is None


@pytest.mark.parametrize("words", [GENERAL[0], NAMED[0][0]])
def test_no_error_of_a_container_without_gpus_is_about_gpus(words):
    assert recognize(words, ()) is None


def test_only_a_missing_name_can_be_looked_up_in_the_specification():
    unlisted = [recognize(words, (ONE,)) for words, _ in NAMED[:3]]
    assert all(found is not None and found.unlisted for found in unlisted)
    found = recognize(NAMED[3][0], (ONE,))
    assert found is not None
    assert not found.unlisted
