"""Fail the build of an image whose version labels would be wrong.

The arguments are the labels, as ``name=version``.
"""

import subprocess
import sys

import torch


def cudnn_version() -> str:
    """Return cuDNN's version, such as 9.1.0; the library returns 90100 for it."""
    number = torch.backends.cudnn.version()
    return f"{number // 10000}.{number % 10000 // 100}.{number % 100}"


def main() -> None:
    """Compare the labels with the installed versions, and check the packages' dependencies."""
    found = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": cudnn_version(),
    }
    stated = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if stated != found:
        sys.exit(f"The image's labels would be {stated}, but the image contains {found}.")
    subprocess.run([sys.executable, "-s", "-m", "pip", "check"], check=True)


main()
