"""Write what the front end takes from the sources of the server.

Its types, ``src/model/contract.ts``, come from ``jupyterlab_gpudock/contract.py``, and its texts
for findings, ``src/messages/findings.ts``, from ``jupyterlab_gpudock/kernel/findings.py``.

The contract is parsed instead of imported, because docstrings of fields become comments. The script
knows the constructs that ``contract.py`` uses, and fails on any other.
"""

from __future__ import annotations

import ast
import json
import re
import runpy
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "jupyterlab_gpudock" / "contract.py"
TARGET = ROOT / "src" / "model" / "contract.ts"
HEADER = """\
// Generated from jupyterlab_gpudock/contract.py. Do not edit.
// To renew it, run `make generate` in the root of the repository.
"""
FINDINGS = ROOT / "jupyterlab_gpudock" / "kernel" / "findings.py"
FINDINGS_TARGET = ROOT / "src" / "messages" / "findings.ts"
FINDINGS_HEADER = """\
// Generated from jupyterlab_gpudock/kernel/findings.py. Do not edit.
// To renew it, run `make generate` in the root of the repository.
import type { TranslationBundle } from '@jupyterlab/translation';

/** What a finding means, and what to do about it; an empty advice means nothing. */
export interface IFindingText {
  readonly title: string;
  readonly advice: string;
}

/** Return the texts for a finding; null for one that only a newer server knows. */
export function findingText(
  id: string,
  parameters: Readonly<Record<string, string>>,
  trans: TranslationBundle
): IFindingText | null {
  const value = (name: string): string => parameters[name] ?? '';
  switch (id) {
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


def finding_texts(path: Path = FINDINGS) -> str:
    """Return the TypeScript function for the table of findings in a module."""
    table: dict[str, Any] = runpy.run_path(str(path))["FINDINGS"]
    lines = [FINDINGS_HEADER]
    for finding_id, row in table.items():
        lines.append(f"    case {_quoted(finding_id)}:\n      return {{\n")
        lines.append(f"        title: {_translated(row.title)},\n")
        lines.append(f"        advice: {_translated(row.advice)}\n      }};\n")
    lines.append("    default:\n      return null;\n  }\n}\n")
    return "".join(lines)


def _translated(sentence: str) -> str:
    """Return the call of the translator for a sentence, whose parameters become numbers."""
    if not sentence:
        return "''"
    names = list(dict.fromkeys(re.findall(r"{(\w+)}", sentence)))
    for place, name in enumerate(names, 1):
        sentence = sentence.replace(f"{{{name}}}", f"%{place}")
    values = [f"value('{name}')" for name in names]
    call = f"trans.__({', '.join([_quoted(sentence), *values])})"
    if len(f"        advice: {call},") <= WIDTH:
        return call
    return (
        "trans.__(\n"
        + ",\n".join(f"          {x}" for x in [_quoted(sentence), *values])
        + ("\n        )")
    )


def _quoted(text: str) -> str:
    """Return a literal with the quotes that the formatter of the front end chooses."""
    if text.count("'") > text.count('"'):
        return json.dumps(text, ensure_ascii=False)
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    TARGET.write_text(typescript(SOURCE.read_text()))
    FINDINGS_TARGET.write_text(finding_texts(), encoding="utf-8")
