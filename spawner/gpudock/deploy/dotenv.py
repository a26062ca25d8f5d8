"""Read ``.env`` as Docker Compose does, and reject what the two could read differently."""

import re
from pathlib import Path

from gpudock.deploy import output

_NAME = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def read(path: Path) -> dict[str, str]:
    """Return the variables that a file sets, none if there is no file.

    Raises:
        ProblemError: with a sentence for each line that is not valid.
    """
    if not path.exists():
        return {}
    values: dict[str, str] = {}
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            match = _NAME.fullmatch(text)
            if match is None:
                raise ValueError("is not of the form NAME=value")
            values[match[1]] = _value(match[2])
        except ValueError as error:
            problems.append(f"Line {number} of {path.name} {error}.")
    if problems:
        raise output.ProblemError("\n".join(problems))
    return values


def _value(written: str) -> str:
    if written.startswith("'"):
        match = re.fullmatch(r"'([^']*)'\s*(#.*)?", written)
        if match is None:
            raise ValueError("has a single quote that is not closed, or text after it")
        return match[1]
    if written.startswith('"'):
        match = re.fullmatch(r'"((?:[^"\\]|\\.)*)"\s*(#.*)?', written)
        if match is None:
            raise ValueError("has a double quote that is not closed, or text after it")
        _refuse_interpolation(re.sub(r"\\.", "", match[1]))
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), match[1])
    value = re.split(r"\s+#", written, maxsplit=1)[0].rstrip()
    _refuse_interpolation(value)
    return value


def _refuse_interpolation(value: str) -> None:
    if "$" in value:
        raise ValueError("has a $, which Compose would replace: put the value in single quotes")
