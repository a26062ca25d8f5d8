"""What containers may use where nobody has chosen a number."""

import resource

import pytest

from gpudock.hub.sizing import open_files


@pytest.mark.parametrize(
    ("hard", "expected"),
    [(20000, 20000), (524288, 524288), (2**30, 2**20), (resource.RLIM_INFINITY, 2**20)],
)
def test_containers_may_open_as_many_files_as_the_hubs_own(monkeypatch, tmp_path, hard, expected):
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, hard))
    mark = tmp_path / ".dockerenv"
    mark.touch()
    assert open_files(mark) == expected


def test_a_hub_outside_containers_does_not_know_the_engines_limit(tmp_path):
    assert open_files(tmp_path / ".dockerenv") is None
