"""Looks at the Python that runs it, and prints what it found as one line of JSON.

The server passes this file's text to a kernel environment's own Python, so it uses nothing but
what every Python since 3.6 has and nothing of this package. The server itself never imports it.
"""

import json
import sys

MARK = "gpudock-probe:"


def look() -> "dict[str, object]":
    """What matters for computing on a GPU here: versions, or the reason why torch fails."""
    found: dict[str, object] = {}
    found["python"] = ".".join(str(part) for part in sys.version_info[:3])
    try:
        import torch
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        found["problem"] = "torch_missing" if missing else "torch_broken"
        found["detail"] = str(error)
        return found
    except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
        found["problem"] = "torch_broken"
        found["detail"] = f"{type(error).__name__}: {error}"
        return found
    found["torch"] = str(torch.__version__)
    found["torch_cuda"] = torch.version.cuda
    try:
        found["cudnn"] = torch.backends.cudnn.version()
        found["cuda_available"] = bool(torch.cuda.is_available())
    except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
        found["problem"] = "torch_broken"
        found["detail"] = f"{type(error).__name__}: {error}"
    return found


if __name__ == "__main__":
    sys.stdout.write("\n" + MARK + json.dumps(look()) + "\n")
