"""The navigation of all pages."""

from __future__ import annotations

from gpudock.config.navigation import Rights, links
from gpudock.desk.pages import SECTIONS


def test_users_see_what_they_may_open():
    assert [link.title for link in links("/", Rights())] == ["My GPUs", "Lab", "Usage", "Token"]
    everything = links("/", Rights(True, True, True, True, True))
    assert len({link.key for link in everything}) == len(everything) == 10


def test_all_pages_of_the_desk_are_in_it():
    everything = {link.key: link for link in links("/lab/", Rights(True, True, True, True, True))}
    for section, (title, _) in SECTIONS.items():
        assert everything[section].title == title
        path = "" if section == "mine" else section
        assert everything[section].url == f"/lab/services/gpudock/{path}"
