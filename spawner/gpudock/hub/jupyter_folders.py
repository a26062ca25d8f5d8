"""Where a server keeps what it must not share with the other servers of its user.

All servers of a user have one workspace, which is their home as well. JupyterLab's layout and the
files of running kernels are each server's own; settings are the user's.
"""

from __future__ import annotations

from gpudock.config.names import slug
from gpudock.engine.spec import WORKSPACE_PATH

_RUNTIME = "/tmp/jupyter-runtime"  # noqa: S108 (in the container of one user, and gone with it)


def jupyter_folders(server: str) -> dict[str, str]:
    """Return the variables that set the folders of a server.

    Args:
        server: the server's name; empty for the default server, whose layout stays where Jupyter
            has it by default.
    """
    variables = {"JUPYTER_RUNTIME_DIR": _RUNTIME}
    if server:
        folder = f"{WORKSPACE_PATH}/.jupyter/lab/servers/{slug(server)}"
        variables["JUPYTERLAB_WORKSPACES_DIR"] = f"{folder}/workspaces"
    return variables
