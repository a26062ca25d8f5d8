"""PyTorch, CUDA and cuDNN, as the labels state them."""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import torch


def test_the_versions_are_those_of_the_tag():
    assert torch.__version__ == "2.6.0+cu124"
    assert torch.version.cuda == "12.4"
    assert torch.backends.cudnn.version() == 90100


def test_the_labels_tell_the_truth():
    labels = json.loads(os.environ["IMAGE_LABELS"])
    cudnn = torch.backends.cudnn.version()
    assert labels["gpudock.versions.python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert labels["gpudock.versions.torch"] == torch.__version__
    assert labels["gpudock.versions.cuda"] == torch.version.cuda
    assert labels["gpudock.versions.cudnn"] == (
        f"{cudnn // 10000}.{cudnn % 10000 // 100}.{cudnn % 100}"
    )


def test_nobody_sees_a_gpu_that_they_were_not_given():
    assert os.environ["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert not torch.cuda.is_available()


def test_tensors_compute_and_convert_to_numpy():
    assert (torch.arange(4.0) @ torch.arange(4.0)).numpy() == 14.0


def test_torch_compile_finds_a_compiler_and_pythons_headers():
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\nint answer(void) { return PY_MAJOR_VERSION; }\n")
        include = sysconfig.get_path("include")
        library = Path(folder, "probe.so")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", f"-I{include}", source, "-o", library], check=True
        )
        assert library.exists()


def test_gpudock_env_states_the_versions_and_that_there_is_no_gpu():
    done = subprocess.run(
        ["gpudock-env", "--json"], capture_output=True, text=True, check=False, timeout=300
    )
    found = json.loads(done.stdout)
    assert done.returncode == found["exit_status"] == 3, found["findings"]
    assert found["torch"]["version"].startswith("2.6.0")
    assert found["torch"]["cuda"] == "12.4"
    assert found["cudnn"]["version"].startswith("9.1.")
