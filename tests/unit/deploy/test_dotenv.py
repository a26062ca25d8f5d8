"""``.env`` is read as Compose reads it; what the two might read differently is refused."""

import pytest

from gpudock.deploy import dotenv
from gpudock.deploy.output import ProblemError


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / ".env"
        path.write_text(text)
        return dotenv.read(path)

    return write_and_read


def test_a_file_that_is_not_there_sets_nothing(tmp_path):
    assert dotenv.read(tmp_path / ".env") == {}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("export NAME=value", "value"),
        ("NAME = two words ", "two words"),
        ("NAME=", ""),
        ("NAME=value # a comment", "value"),
        ("NAME=val#ue", "val#ue"),
        ("NAME=#value", "#value"),
        ("NAME='single $quoted # text'", "single $quoted # text"),
        ("NAME='quoted' # a comment", "quoted"),
        ('NAME="double # quoted"', "double # quoted"),
        (r'NAME="a \"b\" \\ c\n\$d"', 'a "b" \\ c\n$d'),
        ("NAME=PyTorch 2.6=gpudock/pytorch-cuda:v2.6", "PyTorch 2.6=gpudock/pytorch-cuda:v2.6"),
        ("NAME=gpudock-{user}", "gpudock-{user}"),
    ],
)
def test_a_line_is_read_as_compose_reads_it(read, line, value):
    assert read(line) == {"NAME": value}


def test_empty_lines_and_comments_are_passed_over(read):
    assert read("\n# a comment\n  # another\nNAME=value\n") == {"NAME": "value"}


def test_the_last_of_several_lines_holds(read):
    assert read("NAME=one\nNAME=two\n") == {"NAME": "two"}


@pytest.mark.parametrize(
    "line", ["no value", "=value", "1NAME=value", "NAME='open", 'NAME="open', "NAME='a' b"]
)
def test_a_line_that_cannot_be_read_is_named(read, line):
    with pytest.raises(ProblemError, match=r"^Line 2 of \.env .*\.$"):
        read(f"GOOD=1\n{line}\n")


@pytest.mark.parametrize("line", ["NAME=pa$word", 'NAME="pa$word"', "NAME=${OTHER}"])
def test_what_compose_would_replace_is_refused_and_the_remedy_named(read, line):
    with pytest.raises(ProblemError, match="single quotes"):
        read(line)


def test_all_bad_lines_are_reported_at_once(read):
    with pytest.raises(ProblemError) as caught:
        read("one\nNAME=x\ntwo\n")
    assert str(caught.value).count("Line ") == 2
