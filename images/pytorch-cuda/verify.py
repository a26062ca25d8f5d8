"""Fails the build of an image whose version labels would not tell the truth.

Arguments are ``name=version`` pairs: what the labels will say.
"""

import subprocess
import sys

import torch


def cudnn_version() -> str:
    """Return cuDNN's version as people write it; the library says 90100 for 9.1.0."""
    number = torch.backends.cudnn.version()
    return f"{number // 10000}.{number % 10000 // 100}.{number % 100}"


def main() -> None:
    """Compare each label with the truth, and the installed packages with each other."""
    truth = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": cudnn_version(),
    }
    stated = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if stated != truth:
        sys.exit(f"The image's labels would say {stated}, but in it are {truth}.")
    subprocess.run([sys.executable, "-s", "-m", "pip", "check"], check=True)


main()
