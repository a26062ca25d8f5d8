"""``gpudock``: the administrator's command line, run in the hub's container."""

from gpudock.cli.main import main

__all__ = ["main"]
