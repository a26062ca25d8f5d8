"""Fails the build of an image whose version labels would not tell the truth.

Arguments are ``name=version`` pairs: what the labels will say.
"""

import sys
from importlib import metadata


def main() -> None:
    """Compare each label with the truth."""
    truth = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "jupyterhub": metadata.version("jupyterhub"),
    }
    stated = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if stated != truth:
        sys.exit(f"The image's labels would say {stated}, but in it are {truth}.")


main()
