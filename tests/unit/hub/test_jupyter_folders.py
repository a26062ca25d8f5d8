"""Servers of one user share their files, and nothing that one server would take from another."""

from __future__ import annotations

from gpudock.hub.jupyter_folders import jupyter_folders


def test_each_server_has_a_layout_of_its_own():
    layouts = [
        jupyter_folders(server).get("JUPYTERLAB_WORKSPACES_DIR") for server in ("", "a", "b")
    ]
    assert layouts == [
        None,
        "/workspace/.jupyter/lab/servers/a/workspaces",
        "/workspace/.jupyter/lab/servers/b/workspaces",
    ]


def test_a_name_of_earlier_days_stays_in_its_folder():
    folder = jupyter_folders("../../x y")["JUPYTERLAB_WORKSPACES_DIR"]
    assert folder.startswith("/workspace/.jupyter/lab/servers/")
    assert len(folder.split("/")) == 7
    assert ".." not in folder


def test_files_of_running_kernels_are_not_in_the_workspace():
    assert jupyter_folders("")["JUPYTER_RUNTIME_DIR"].startswith("/tmp/")
