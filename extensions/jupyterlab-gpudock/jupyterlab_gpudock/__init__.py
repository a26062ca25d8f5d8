"""Live GPU and cuDNN status for JupyterLab.

The package is a server extension, which reads GPUs and kernel environments, and a prebuilt
JupyterLab extension, which shows them in the left sidebar.
"""

from __future__ import annotations

from typing import Any


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyterlab-gpudock"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyterlab_gpudock.app.extension import GPUDock

    return [{"module": "jupyterlab_gpudock", "app": GPUDock}]
