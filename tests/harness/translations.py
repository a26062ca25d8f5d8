"""The texts in the code that people read, and the catalogs that translate them.

``python -m harness.translations`` (in ``tests``, or ``make translations``) adds what a catalog
lacks, empty, and removes what the code no longer has.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "spawner" / "gpudock"
LOCALES = PACKAGE / "language" / "locale"
KEYWORDS = {"Message": None, "counted": (1, 2), "gettext": None, "_": None, "ngettext": (1, 2)}

HEADER = r"""msgid ""
msgstr ""
"Language: {language}\n"
"Plural-Forms: nplurals=1; plural=0;\n"
"Content-Type: text/plain; charset=utf-8\n"

"""


def read(path: Path) -> Catalog:
    """Return a catalog."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3])


def extracted() -> Catalog:
    """Return the texts of the code and its templates, untranslated."""
    texts = Catalog(project="gpudock")
    for path, line, text, _, context in extract_from_dir(
        PACKAGE,
        method_map=[("**.py", "python"), ("**/templates/**.html", "jinja2")],
        options_map={"**/templates/**.html": {"silent": "false", "newstyle_gettext": "true"}},
        keywords=KEYWORDS,
        directory_filter=lambda folder: "__pycache__" not in folder,
    ):
        texts.add(text, locations=[(path, line)], context=context)
    return texts


def update(path: Path) -> None:
    """Make a catalog have the texts of the code; translations that it has are kept."""
    catalog = read(path)
    catalog.update(extracted(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    with path.open("wb") as file:
        file.write(HEADER.format(language=path.parts[-3]).encode())
        write_po(file, catalog, width=0, no_location=True, omit_header=True, sort_output=True)


if __name__ == "__main__":
    for po in LOCALES.glob("*/LC_MESSAGES/gpudock.po"):
        update(po)
