"""Conversion of docstrings from their plain-text layout to reStructuredText."""

import re
from collections.abc import Iterator, Sequence

CODE = re.compile(r"``(.+?)``|`([^`\n]+)`")
SPECIAL = re.compile(r"([\\*`|_])")
PAGE = re.compile(r"\bdocs/([\w/-]+)\.md\b")
ROW = re.compile(r"^(\*{0,2}[\w`][\w`,.* -]{0,22}?)(?: {2,})(\S.*)$")
EQUATION = re.compile(r"^\S+(\[[^\]]*\])?\s*(=|←|→) |\S {2,}\S| = Σ")


def to_rst(lines: Sequence[str]) -> list[str]:
    """Return the lines of a docstring as lines of reStructuredText."""
    return [line for block in _blocks(lines) for line in (*_block(block), "")]


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the paragraphs, which are separated by empty lines."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def _block(block: list[str]) -> list[str]:
    """Convert a paragraph: a Python session, a list of names and meanings, an equation, or prose."""
    if block[0].lstrip().startswith(">>>"):
        return [".. code-block:: pycon", "", *(f"   {line}" for line in block)]
    rows = _rows(block)
    if rows:
        result = [".. rst-class:: rows", ""]
        for name, meaning in rows:
            result += [_code(name), f"   {_prose(meaning)}"]
        return result
    if any(line.startswith(" ") or EQUATION.search(line) for line in block):
        return ["::", "", *(f"   {line}" for line in block)]
    return [_prose(" ".join(block))]


def _rows(block: list[str]) -> list[tuple[str, str]]:
    """Return (name, meaning) for each row of a block like "name   its meaning"; an empty list for other blocks."""
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
    """Format a name as code, and a heading such as "Errors" in italics."""
    return f"*{name}*" if name[0].isupper() and name.isalpha() else f"``{name.replace('`', '')}``"


def _prose(text: str) -> str:
    """Convert prose: keep code spans, escape everything else, and link to pages such as docs/runs.md."""
    result, end = "", 0
    for match in CODE.finditer(text):
        result += _words(text[end : match.start()]) + f"``{match[1] or match[2]}``\\ "
        end = match.end()
    return result + _words(text[end:])


def _words(text: str) -> str:
    """Convert text without code spans."""
    result = ""
    for k, piece in enumerate(PAGE.split(text)):  # text, page, text, …
        result += SPECIAL.sub(r"\\\1", piece) if k % 2 == 0 else f":doc:`/docs/{piece}`"
    return result
