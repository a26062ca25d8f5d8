"""Write the front end's types, ``src/model/contract.ts``, from ``jupyterlab_gpudock/contract.py``.

The sources are parsed instead of imported, because docstrings of fields become comments. The script
knows the constructs that ``contract.py`` uses, and fails on any other.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "jupyterlab_gpudock" / "contract.py"
TARGET = ROOT / "src" / "model" / "contract.ts"
HEADER = """\
// Generated from jupyterlab_gpudock/contract.py. Do not edit.
// To renew it, run `make generate` in the root of the repository.
"""
WIDTH = 100
PRIMITIVES = {"str": "string", "int": "number", "float": "number", "bool": "boolean"}


def typescript(source: str) -> str:
    """Return the TypeScript declarations for the source of a contract."""
    body = ast.parse(source).body
    classes = [node.name for node in body if isinstance(node, ast.ClassDef)]
    names = {name: f"I{name.removesuffix('Document')}" for name in classes}
    parts = [HEADER]
    for node, doc in _with_docs(body):
        if isinstance(node, ast.ClassDef):
            parts.append(_interface(node, names))
        elif isinstance(node, ast.Assign):
            (target,) = node.targets
            union = _union(node.value, names)
            parts.append(_comment(doc, "", names) + _layout(f"export type {target.id} =", union))
    return "\n".join(parts)


def _with_docs(body: list[ast.stmt]) -> list[tuple[ast.stmt, str]]:
    """Return each statement with the docstring that follows it, or an empty one."""
    followers = [*body[1:], None]
    return [(node, _text(after)) for node, after in zip(body, followers, strict=True)]


def _text(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return str(node.value.value)
    return ""


def _interface(node: ast.ClassDef, names: dict[str, str]) -> str:
    lines = [f"export interface {names[node.name]} {{\n"]
    for field, doc in _with_docs(node.body):
        if isinstance(field, ast.AnnAssign):
            optional, annotation = "", field.annotation
            if isinstance(annotation, ast.Subscript) and annotation.value.id == "NotRequired":
                optional, annotation = "?", annotation.slice
            lines.append(_comment(doc, "  ", names))
            lines.append(_layout(f"  {field.target.id}{optional}:", _union(annotation, names)))
    return _comment(ast.get_docstring(node) or "", "", names) + "".join(lines) + "}\n"


def _union(node: ast.expr, names: dict[str, str]) -> list[str]:
    """Return the members of a type, each once."""
    match node:
        case ast.BinOp(left, ast.BitOr(), right):
            members = [*_union(left, names), *_union(right, names)]
        case ast.Subscript(ast.Name("Literal"), ast.Tuple(values)):
            members = [f"'{value.value}'" for value in values]
        case ast.Subscript(ast.Name("Literal"), ast.Constant(value)):
            members = [f"'{value}'"]
        case ast.Subscript(ast.Name("list"), item):
            inner = _union(item, names)
            members = [f"({' | '.join(inner)})[]" if len(inner) > 1 else f"{inner[0]}[]"]
        case ast.Subscript(ast.Name("dict"), ast.Tuple([key, value])):
            members = [f"Record<{_union(key, names)[0]}, {' | '.join(_union(value, names))}>"]
        case ast.Name(name):
            members = [PRIMITIVES.get(name) or names.get(name, name)]
        case ast.Constant(None):
            members = ["null"]
        case _:
            raise ValueError(f"line {node.lineno}: no TypeScript for {ast.unparse(node)}")
    return list(dict.fromkeys(members))


def _layout(start: str, members: list[str]) -> str:
    line = f"{start} {' | '.join(members)};\n"
    if len(line) <= WIDTH:
        return line
    indent = "  " * (2 if start.startswith(" ") else 1)
    return start + "".join(f"\n{indent}| {member}" for member in members) + ";\n"


def _comment(doc: str, indent: str, names: dict[str, str]) -> str:
    """Return a docstring as a comment in the words of TypeScript."""
    if not doc:
        return ""
    text = re.sub(r":class:`(\w+)`", lambda match: f"`{names[match[1]]}`", doc)
    text = text.replace("``", "`").replace("None", "null")
    if len(line := f"{indent}/** {' '.join(text.split())} */\n") <= WIDTH:
        return line
    paragraphs = re.split(r"\n\s*\n", text)
    start = f"{indent} * "
    wrapped = [textwrap.fill(" ".join(p.split()), WIDTH - len(start)) for p in paragraphs]
    body = textwrap.indent("\n\n".join(wrapped), start, lambda _: True)
    lines = [f"{indent}/**", *(line.rstrip() for line in body.splitlines()), f"{indent} */"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(typescript(SOURCE.read_text()))
