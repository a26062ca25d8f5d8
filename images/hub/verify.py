"""Fail the build of an image whose version labels would be wrong.

The arguments are the labels, as ``name=version``.
"""

import sys
from importlib import metadata


def main() -> None:
    """Compare the labels with the installed versions."""
    found = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "jupyterhub": metadata.version("jupyterhub"),
    }
    stated = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if stated != found:
        sys.exit(f"The image's labels would be {stated}, but the image contains {found}.")


main()
