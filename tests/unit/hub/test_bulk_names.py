"""Lists of names, as people paste and upload them."""

from __future__ import annotations

import pytest

from gpudock.hub.accounts.bulk import names_in
from gpudock.hub.accounts.files import size_text
from gpudock.policy.csv_file import CSVFileError


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
        ("sep=;\nuser;room\nada;1\nbob;2\n", ["ada", "bob"]),
        ("用户名,班级\nada,1\n", ["ada"]),
        ("Benutzername;Raum\nada;1\n", ["ada"]),
        ('name,note\nada,"two\nlines"\nbob,\n', ["ada", "bob"]),
        ("ada\u00a0\n\u00a0bob\n", ["ada", "bob"]),
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


def test_a_line_that_is_no_table_is_refused_with_a_sentence():
    with pytest.raises(CSVFileError, match="quotation"):
        names_in('ada\n"bob\ncarl' + "x" * 200_000)
