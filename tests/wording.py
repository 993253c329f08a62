"""Wording check of `make lint`: phrases that hide the point, and variables whose names say nothing.

A few hits are tolerated, because some of the phrases have a legitimate use. If there are too many, all are printed.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKED = (
    *("src/**/*", "benchmarks/**/*", "experiments/**/*", "docs/**/*"),
    *("*.md", ".github/**/*.md", "examples/**/*.md", "site/*.md"),
)
SUFFIXES = (".py", ".js", ".mjs", ".toml", ".c", ".md")
MAX_PHRASES = 3  # per 1,000 lines of prose
MAX_EMPTY_NAMES = 2  # per 1,000 bound names

PHRASES = {
    "write 'where' or 'that', or start a new sentence": r"\b(?:of|by|to|for|in|at|with|through) which\b",
    "write 'from … on' or 'at least'": r"\bfrom which on\b",
    "give the number": r"\bso many\b",
    "write 'alone', or 'only that'": r"\bthat alone\b",
    "write 'is'": r"\bstands? (?:once|there|beside|in|under|above|below|for)\b",
    "write 'receives', 'is given' or 'says'": r"\b(?:is|are|was|were) told\b|\btells\b",
    "name the person, or use the passive": r"\b(?:somebody|nobody|whoever|everybody)\b",
    "write 'custom' or 'the user's'": r"\bown code\b|\bof one.s own\b|\byour own can\b",
    "write 'again', 'also' or 'equally'": r"\b(?:anew|once more|likewise|thereof|alike)\b",
    "write 'worth' with a noun": r"\bworth (?:to|the)\b",
    "write 'synchronize' or 'barrier'": r"\bmeet(?:s|ing|ings)?\b",
    "write 'with respect to'": r"\bloss by\b",
    "write 'instead of'": r"\bin (?:the )?place of\b",
    "write 'starts'": r"\b(?:is|are) begun\b",
    "write 'also'": r"(?:; |, |\. )so (?:are|is|does|do|has|have)\b",
    "write 'while'": r"\bfor the time that\b",
    "write 'space'": r"\broom for\b|\bno room\b",
    "write 'export' or 'import'": r"\b(?:out of|into|in) the house\b",
}
EMPTY_NAMES = {
    *("found", "one", "each", "given", "wanted", "chosen", "made", "told", "standing", "left", "got", "taken", "known")
}


def files() -> list[Path]:
    """Return the checked files below the working folder, which need not be a git repository."""
    return [path for pattern in CHECKED for path in sorted(Path().glob(pattern)) if path.suffix in SUFFIXES]


def prose(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbers and contents of lines with comments, docstrings, or strings of several words."""
    lines = enumerate(text.split("\n"), 1)
    if path.suffix == ".md":
        yield from lines
        return
    mark, inside = ("#" if path.suffix in (".py", ".toml") else "//"), False
    for number, line in lines:
        if path.suffix == ".py" and (inside or '"""' in line):
            inside ^= line.count('"""') == 1
            yield number, line
        elif path.suffix != ".py" and (inside or "/*" in line):
            inside = "*/" not in line.rpartition("/*")[2]
            yield number, line
        elif mark in line:
            yield number, line[line.index(mark) :]
        elif re.search(r"[\"'`][^\"'`]* [^\"'`]* [^\"'`]*[\"'`]", line):
            yield number, line


def bound_names(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines and names of the variables and parameters that Python code binds."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def main() -> int:
    """Print the hits and return 1 if there are too many."""
    lines = names = 0
    phrases, empty = list[str](), list[str]()
    for path in files():
        text = path.read_text(encoding="utf-8")
        for number, line in prose(path, text):
            lines += bool(line.strip())
            hits = [advice for advice, pattern in PHRASES.items() if re.search(pattern, line, re.IGNORECASE)]
            phrases += [f"{path}:{number}: {advice}: {line.strip()[:100]}" for advice in hits]
        for number, name in bound_names(text) if path.suffix == ".py" else ():
            names += 1
            empty += [f"{path}:{number}: name what it is: {name}"] if name in EMPTY_NAMES else []
    excess = 1000 * len(phrases) > MAX_PHRASES * lines or 1000 * len(empty) > MAX_EMPTY_NAMES * names
    if excess:
        print(*phrases, *empty, sep="\n")
    print(f"wording: {len(phrases)} phrases in {lines} lines, {len(empty)} empty names of {names}")
    return int(excess)


if __name__ == "__main__":
    sys.exit(main())
