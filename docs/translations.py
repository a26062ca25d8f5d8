"""Compare the Chinese pages with the English ones that they translate.

Below each heading, a translation has a digest of the English section in a comment. This program
names the sections whose originals have changed since, and what a translation lacks: headings, code,
links, rows of tables, names in code. Run ``python docs/translations.py --accept`` after a
translation was revised: it writes the digests of the present originals. A test fails until then.
"""

from __future__ import annotations

import argparse
import hashlib
import posixpath
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

TRANSLATIONS = {
    "README.md": "docs/zh_CN/README.md",
    "docs/tutorial.md": "docs/zh_CN/tutorial.md",
    "docs/administration.md": "docs/zh_CN/administration.md",
}
"""English page to its translation, as paths from the root of the repository."""

COMMAND = "python docs/translations.py --accept"

# The site has no pages for files outside of docs/, so its pages link to them on GitHub.
_ON_GITHUB = "https://github.com/gpudock/gpudock/blob/main/"
_FENCE = re.compile(r"^ *(```|~~~)")
_HEADING = re.compile(r"^(#+) (.+)$")
_MARK = re.compile(r"^<!-- translates ([0-9a-f]{12}) -->$")
_CODE = re.compile(r"`([^`\n]+)`")
_COMMENT = re.compile(r"(^|\s+)# .*$", re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class TranslationError(Exception):
    """A translation cannot be compared with its original; the message says why."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and what follows it until the next one.

    Attributes:
        level: 1 for the title of the page, 2 for a section, and so on.
        title: the heading's text.
        prose: the text without blocks of code and without the mark.
        blocks: the blocks of code, with their fences.
        mark: the digest of the original at the time of the translation; ``None`` without one.
    """

    level: int
    title: str
    prose: str
    blocks: tuple[str, ...]
    mark: str | None

    @property
    def digest(self) -> str:
        """The digest of heading, text and code; breaking lines elsewhere does not change it."""
        words = " ".join("\n".join((self.title, self.prose, *self.blocks)).split())
        return hashlib.sha256(words.encode()).hexdigest()[:12]

    @property
    def anchor(self) -> str:
        """The anchor that GitHub and the site give to the heading."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


def sections(text: str) -> list[Section]:
    """Divide a page at its headings."""
    found: list[Section] = []
    level, title, mark = 0, "", None
    prose: list[str] = []
    blocks: list[str] = []
    block: list[str] | None = None

    def close() -> None:
        if level or any(line.strip() for line in prose) or blocks:
            found.append(Section(level, title, "\n".join(prose), tuple(blocks), mark))

    for line in text.splitlines():
        if _FENCE.match(line):
            if block is None:
                block = [line.strip()]
            else:
                blocks.append("\n".join([*block, line.strip()]))
                block = None
        elif block is not None:
            block.append(line)
        elif heading := _HEADING.match(line):
            close()
            level, title, mark = len(heading[1]), heading[2], None
            prose, blocks = [], []
        elif match := _MARK.match(line):
            mark = match[1]
        else:
            prose.append(line)
    close()
    return found


class Pair:
    """An English page and its translation."""

    def __init__(self, root: Path, english: str) -> None:
        """Read both.

        Args:
            root: the root of the repository.
            english: a key of ``TRANSLATIONS``.

        Raises:
            TranslationError: if their headings do not correspond.
        """
        self.root = root
        self.english = english
        self.chinese = TRANSLATIONS[english]
        originals = sections((root / english).read_text("utf-8"))
        translated = sections((root / self.chinese).read_text("utf-8"))
        if [section.level for section in originals] != [section.level for section in translated]:
            raise TranslationError(
                f"{self.chinese} has not the headings of {english}: {len(translated)} instead of "
                f"{len(originals)}, or on other levels. Add, remove or move what differs."
            )
        self.sections = list(zip(originals, translated, strict=True))

    def problems(self) -> list[str]:
        """Return a sentence for each section that has changed, or that lacks something."""
        found = []
        for original, translated in self.sections:
            if translated.mark != original.digest:
                found.append(
                    f'{self.chinese}, "{translated.title}": its original in {self.english}, '
                    f'"{original.title}", has changed.'
                )
            found += [
                f'{self.chinese}, "{translated.title}": {difference}'
                for difference in self._differences(original, translated)
            ]
        return found

    def _differences(self, original: Section, translated: Section) -> list[str]:
        found = []
        if _without_comments(original.blocks) != _without_comments(translated.blocks):
            found.append("the blocks of code differ, not only in their comments.")
        rows = [part.prose.count("\n|") for part in (original, translated)]
        if rows[0] != rows[1]:
            found.append(f"the tables have {rows[1]} lines instead of {rows[0]}.")
        names = [set(_CODE.findall(part.prose)) for part in (original, translated)]
        if names[0] != names[1]:
            found.append(f"only one of both has in code: {_listed(names[0] ^ names[1])}.")
        links = [
            self._links(part, page)
            for part, page in ((original, self.english), (translated, self.chinese))
        ]
        if links[0] != links[1]:
            both = links[0] & links[1]
            different = (links[0] - both) + (links[1] - both)
            found.append(f"only one of both links to {_listed(different)}.")
        return found

    def _links(self, section: Section, page: str) -> Counter[str]:
        """Return where the links of a section lead, but for those to the other language."""
        other = self.chinese if page == self.english else self.english
        targets = (_resolved(link, page) for link in _LINK.findall(section.prose))
        return Counter(self._destination(target, page) for target in targets if target != other)

    def _destination(self, target: str, page: str) -> str:
        """Return the same text for a translated page and for its translation, which is due."""
        path, _, anchor = target.partition("#")
        originals = {chinese: english for english, chinese in TRANSLATIONS.items()}
        if page == self.chinese and path in TRANSLATIONS:
            return f"{target} (which is translated)"
        if path not in TRANSLATIONS and path not in originals:
            return target
        anchors = [section.anchor for section in sections((self.root / path).read_text("utf-8"))]
        place = f"#{anchors.index(anchor)}" if anchor in anchors else anchor
        return originals.get(path, path) + place

    def accept(self) -> list[str]:
        """Write the digests of the present originals into the translation.

        Returns:
            The titles of the sections whose digest was another one.
        """
        path = self.root / self.chinese
        accepted = []
        lines: list[str] = []
        pairs = iter(self.sections)
        in_block = False
        for line in path.read_text("utf-8").splitlines():
            if _FENCE.match(line):
                in_block = not in_block
            elif not in_block and _MARK.match(line):
                continue
            lines.append(line)
            if not in_block and _HEADING.match(line):
                original, translated = next(pairs)
                lines.append(f"<!-- translates {original.digest} -->")
                if translated.mark != original.digest:
                    accepted.append(translated.title)
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return accepted


def problems(root: Path = ROOT) -> list[str]:
    """Return a sentence for each difference between a page and its translation."""
    found = []
    for english in TRANSLATIONS:
        try:
            found += Pair(root, english).problems()
        except TranslationError as error:
            found.append(str(error))
    return found


def _without_comments(blocks: tuple[str, ...]) -> list[str]:
    return [_COMMENT.sub("", block) for block in blocks]


def _resolved(link: str, page: str) -> str:
    """Return a link as a path from the root of the repository, or an address as it is."""
    if link.startswith(_ON_GITHUB):
        return link.removeprefix(_ON_GITHUB)
    if "://" in link:
        return link
    path, hash_, anchor = link.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return f"{path}{hash_}{anchor}"


def _listed(names: set[str] | Counter[str]) -> str:
    return ", ".join(sorted(names))


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Print the differences, or accept the translations; 1 if something remains to be done."""
    parser = argparse.ArgumentParser(description="Compare the Chinese pages with the English ones.")
    parser.add_argument(
        "--accept",
        nargs="*",
        metavar="PAGE",
        help="the translations are revised, or these, such as docs/zh_CN/tutorial.md",
    )
    options = parser.parse_args(arguments)
    if options.accept is not None:
        unknown = set(options.accept) - set(TRANSLATIONS.values())
        if unknown:
            parser.error(f"no translation: {_listed(unknown)}")
        for english, chinese in TRANSLATIONS.items():
            if not options.accept or chinese in options.accept:
                try:
                    accepted = Pair(root, english).accept()
                except TranslationError as error:
                    sys.stderr.write(f"{error}\n")
                    return 1
                sys.stdout.writelines(f'Accepted: {chinese}, "{title}"\n' for title in accepted)
    found = problems(root)
    sys.stdout.writelines(f"{problem}\n" for problem in found)
    if found:
        sys.stdout.write(f"Revise the translations, then run: {COMMAND}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
