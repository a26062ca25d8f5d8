"""Lists of names, as people paste and upload them."""

from __future__ import annotations

import pytest

from gpudock.hub.accounts.bulk import names_in
from gpudock.hub.accounts.files import size_text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ada\nbob\n", ["ada", "bob"]),
        ("ada bob", ["ada", "bob"]),
        ("ada, bob,carl", ["ada", "bob", "carl"]),
        ("\ufeffuser;room\r\nada;1\r\nbob;2\r\n", ["ada", "bob"]),
        ('username,email\n"ada","ada@uni.de"\nada,again\n', ["ada"]),
        ("ada\t1\nbob\t2", ["ada", "bob"]),
        ("Name\nada", ["ada"]),
        ("ada", ["ada"]),
        (" \n\n", []),
        ("", []),
        ('"', []),
    ],
)
def test_names_are_found_in_lists_and_tables(text, names):
    assert names_in(text) == names


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (12_300_000, "12.3 MB"),
        (4_700_000_000, "4.7 GB"),
        (250_000_000_000_000_000, "250000 TB"),
        (None, "more than could be counted in 15 seconds"),
    ],
)
def test_sizes_are_for_people(size, text):
    assert size_text(size) == text
