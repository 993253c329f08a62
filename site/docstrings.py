"""Docstrings as reStructuredText: their plain-text layout is read as a person reads it."""

import re
from collections.abc import Iterator, Sequence

CODE = re.compile(r"``(.+?)``|`([^`\n]+)`")
SPECIAL = re.compile(r"([\\*`|_])")
PAGE = re.compile(r"\bdocs/([\w/-]+)\.md\b")
ROW = re.compile(r"^(\*{0,2}[\w`][\w`,.* -]{0,22}?)(?: {2,})(\S.*)$")
EQUATION = re.compile(r"^\S+(\[[^\]]*\])?\s*(=|←|→) |\S {2,}\S| = Σ")


def converted(lines: Sequence[str]) -> list[str]:
    """Return the lines of a docstring as reStructuredText."""
    return [line for block in _blocks(lines) for line in (*_block(block), "")]


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the paragraphs."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def _block(block: list[str]) -> list[str]:
    """Return a session, a list of names with their meanings, an equation as it stands, or a paragraph."""
    if block[0].lstrip().startswith(">>>"):
        return [".. code-block:: pycon", "", *(f"   {line}" for line in block)]
    rows = _rows(block)
    if rows:
        found = [".. rst-class:: rows", ""]
        for name, meaning in rows:
            found += [_code(name), f"   {_prose(meaning)}"]
        return found
    if any(line.startswith(" ") or EQUATION.search(line) for line in block):
        return ["::", "", *(f"   {line}" for line in block)]
    return [_prose(" ".join(block))]


def _rows(block: list[str]) -> list[tuple[str, str]]:
    """Return (name, meaning) for each row of a block like "name   its meaning"; none for another block."""
    rows: list[tuple[str, str]] = []
    column = 0
    for line in block:
        row = ROW.match(line)
        if row is not None:
            rows.append((row[1], row[2]))
            column = row.start(2)
        elif rows and line.startswith(" " * min(column, 3)):
            name, meaning = rows[-1]
            rows[-1] = (name, f"{meaning} {line.strip()}")
        else:
            return []
    return rows


def _code(name: str) -> str:
    """Return a name as code, and a heading such as "Errors" as a word."""
    return f"*{name}*" if name[0].isupper() and name.isalpha() else f"``{name.replace('`', '')}``"


def _prose(text: str) -> str:
    """Escape a text in which only code is marked, and link to the pages that it names."""
    found, end = "", 0
    for match in CODE.finditer(text):
        found += _words(text[end : match.start()]) + f"``{match[1] or match[2]}``\\ "
        end = match.end()
    return found + _words(text[end:])


def _words(text: str) -> str:
    pieces = PAGE.split(text)  # text, page, text, …
    found = [SPECIAL.sub(r"\\\1", piece) if k % 2 == 0 else f":doc:`/docs/{piece}`" for k, piece in enumerate(pieces)]
    return "".join(found)
