"""``gpudock quota``: the quotas of all levels, and how to change them.

A level is default, group:NAME or user:NAME. A field that a user's level does not set comes from the
user's groups (the most generous of them), then from the default.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudock.broker import QuotaChange
from gpudock.cli.connection import BY, connect
from gpudock.cli.output import print_json, print_table
from gpudock.policy.csv_file import CSVFileError, decode
from gpudock.policy.quota.documents import BOOST, FIELDS, GROUP_FIELDS, UNTIL
from gpudock.policy.quota.errors import QuotaDocumentError, QuotaTableError, TableProblem
from gpudock.policy.quota.table import read_cell, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.broker import Effect, EffectiveQuota, QuotaDocument, TablePreview

_LEVELS = ("default", "group", "user")
_MAX_SHOWN = 20


def add_to(nouns: Any) -> None:
    """Add the commands to the parser of nouns."""
    verbs = nouns.add_parser(
        "quota",
        help="the limits of users and groups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).add_subparsers(dest="verb", required=True)

    get = verbs.add_parser("get", help="show all levels, or one of them")
    _add_level(get, optional=True)
    get.add_argument(
        "--effective", action="store_true", help="of a user: the limits in force, and their usage"
    )
    get.add_argument("--groups", default="", help="with --effective: the user's groups, as a,b,c")
    get.set_defaults(run=_get)

    put = verbs.add_parser("set", help="set fields of a level; the others stay as they are")
    _add_level(put)
    put.add_argument(
        "fields",
        nargs="+",
        metavar="FIELD=VALUE",
        help=f"of {', '.join((*FIELDS, *GROUP_FIELDS))}; none is no limit; separate patterns by ;",
    )
    put.add_argument("--until", metavar="TIME", help="as a boost, which ends at this time")
    _add_dry_run(put)
    put.set_defaults(run=_set)

    unset = verbs.add_parser("unset", help="remove fields from a level")
    _add_level(unset)
    unset.add_argument("fields", nargs="*", metavar="FIELD", help="default: all fields")
    _add_dry_run(unset)
    unset.set_defaults(run=_unset)

    take = verbs.add_parser("import", help="set all levels of a table, or none on an error")
    take.add_argument("file", help="CSV, as export prints it; - is stdin")
    _add_dry_run(take)
    take.set_defaults(run=_import)

    give = verbs.add_parser("export", help="print all levels as CSV")
    give.set_defaults(run=_export)


def _add_level(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "level",
        type=_level,
        nargs="?" if optional else None,
        metavar="LEVEL",
        help="default, group:NAME or user:NAME",
    )


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change, and change nothing"
    )


def _level(written: str) -> tuple[str, str]:
    level, _, name = written.partition(":")
    if level not in _LEVELS or (level == "default") == bool(name):
        raise argparse.ArgumentTypeError(f'"{written}" is not default, group:NAME or user:NAME')
    return level, name


async def _get(options: argparse.Namespace) -> int:
    if options.effective:
        return await _effective(options)
    async with connect() as lab:
        documents = lab.broker.quotas.documents()
    if options.level is not None:
        documents = [item for item in documents if (item.level, item.name) == options.level]
    if options.json:
        print_json(documents)
        return 0
    print_table(
        ("LEVEL", "NAME", "FIELDS", "BY", "REVISION"),
        [
            (item.level, item.name, _as_text(item.document), item.updated_by, item.revision)
            for item in documents
        ],
    )
    return 0


async def _effective(options: argparse.Namespace) -> int:
    if options.level is None or options.level[0] != "user":
        raise QuotaDocumentError('Name a user, as in "quota get user:ada --effective".')
    groups = tuple(group for group in options.groups.split(",") if group)
    async with connect() as lab:
        effective = lab.broker.quotas.effective(options.level[1], groups)
    if options.json:
        print_json(effective)
        return 0
    print_table(
        ("FIELD", "LIMIT", "FROM", "USED"),
        [
            (field, _value(getattr(effective.quota, field)), effective.origin[field], used)
            for field, used in _used(effective).items()
        ]
        + [
            (f"{field} of {cap.group}", _value(limit), f"group {cap.group}", used)
            for cap in effective.caps
            for field, limit, used in (
                ("group_max_gpus", cap.max_gpus, cap.used.gpus),
                ("group_gpu_hours", cap.gpu_hours, f"{cap.used.gpu_hours:.1f}"),
            )
            if limit is not None
        ],
    )
    return 0


def _used(effective: EffectiveQuota) -> dict[str, str | None]:
    used: dict[str, str | None] = dict.fromkeys(FIELDS)
    used["max_gpus"] = str(effective.used.gpus)
    used["gpu_hours"] = f"{effective.used.gpu_hours:.1f}"
    return used


async def _set(options: argparse.Namespace) -> int:
    fields = dict(_assignment(text) for text in options.fields)

    def change(document: dict[str, Any]) -> dict[str, Any]:
        if options.until is None:
            return {**document, **fields}
        boost = {**document.get(BOOST, {}), **fields, UNTIL: options.until}
        return {**document, BOOST: boost}

    return await _change_one(options, change)


def _assignment(text: str) -> tuple[str, Any]:
    field, sign, value = text.partition("=")
    if not sign or not value:
        raise QuotaDocumentError(f'Write "{text}" as FIELD=VALUE, for example max_gpus=2.')
    return field, read_cell(field, value)


async def _unset(options: argparse.Namespace) -> int:
    def change(document: dict[str, Any]) -> dict[str, Any] | None:
        missing = [field for field in options.fields if field not in document]
        if missing:
            raise QuotaDocumentError(f"This level does not set {', '.join(missing)}.")
        left = {key: value for key, value in document.items() if key not in options.fields}
        return left if options.fields and left else None

    return await _change_one(options, change)


async def _change_one(options: argparse.Namespace, change: Any) -> int:
    """Change one level's present document; fail if somebody else changes it in the meantime."""
    level, name = options.level
    async with connect() as lab:
        stored = _find(lab.broker.quotas.documents(), level, name)
        document = change(dict(stored.document) if stored else {})
        wanted = QuotaChange(level, name, document, stored.revision if stored else 0)
        return _apply(lab.broker, [wanted], options)


async def _import(options: argparse.Namespace) -> int:
    text = _read(options.file)
    rows = read_table(text)
    wanted = [QuotaChange(row.level, row.name, row.document) for row in rows]
    async with connect() as lab:
        preview = lab.broker.quotas.preview_table(wanted, {})
        if not options.dry_run:
            lab.broker.quotas.import_table(wanted, BY, preview.revision)
    if options.json:
        print_json(preview)
        return 0
    print(_summary(preview, dry_run=options.dry_run))
    for sentence in _effects(preview.effect):
        print(sentence)
    return 0


def _summary(preview: TablePreview, *, dry_run: bool) -> str:
    """Return a sentence on how many levels of a table change."""
    kinds = {
        "new": sum(change.before is None for change in preview.changes),
        "removed": sum(change.after is None for change in preview.changes),
    }
    kinds = {"changed": len(preview.changes) - sum(kinds.values()), **kinds}
    parts = [f"{number} {kind}" for kind, number in kinds.items() if number]
    parts += [f"{preview.unchanged} as before"] if preview.unchanged else []
    return f"{_done(len(preview.changes), dry_run=dry_run)}: {', '.join(parts) or 'no rows'}."


def _read(file: str) -> str:
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        return decode(content)
    except CSVFileError as error:
        raise QuotaTableError([TableProblem(error.line, str(error))]) from error


async def _export(options: argparse.Namespace) -> int:
    async with connect() as lab:
        documents = lab.broker.quotas.documents()
    if options.json:
        print_json(documents)
    else:
        sys.stdout.write(write_table((item.level, item.name, item.document) for item in documents))
    return 0


def _apply(broker: Any, changes: Sequence[QuotaChange], options: argparse.Namespace) -> int:
    preview = broker.quotas.preview(changes, {})
    if not options.dry_run:
        broker.quotas.set_all(changes, BY)
    if options.json:
        print_json(preview)
        return 0
    print(f"{_done(len(changes), dry_run=options.dry_run)}.")
    for sentence in _effects(preview.total):
        print(sentence)
    return 0


def _done(levels: int, *, dry_run: bool) -> str:
    return f"{_counted(levels, 'level')} {'would change' if dry_run else 'changed'}"


def _effects(total: Effect) -> list[str]:
    """Return sentences on what a change means, and on limits that contradict each other."""
    sentences = list(total.contradictions[:_MAX_SHOWN])
    if len(total.contradictions) > _MAX_SHOWN:
        sentences.append(f"And {len(total.contradictions) - _MAX_SHOWN} more like these.")
    if total.exceeding:
        sentences.append(
            f"{_counted(len(total.exceeding), 'running session')} beyond the new limits; they"
            f" continue until their end: {', '.join(item.lease.user for item in total.exceeding)}."
        )
    for what, users in (
        ("refused", [item.request.user for item in total.refused]),
        ("started at once", [request.user for request in total.starting]),
        ("held back", [request.user for request in total.held_back]),
    ):
        if users:
            sentences.append(
                f"{_counted(len(users), 'waiting request')} {what}: {', '.join(users)}."
            )
    return sentences


def _find(documents: Sequence[QuotaDocument], level: str, name: str) -> QuotaDocument | None:
    return next((item for item in documents if (item.level, item.name) == (level, name)), None)


def _as_text(document: Any) -> str:
    return " ".join(f"{field}={_value(value)}" for field, value in sorted(document.items()))


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return ";".join(map(str, value)) or ";"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
