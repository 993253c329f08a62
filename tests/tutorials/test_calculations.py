"""The calculations behind equations, errata and claims: the code of the pages runs, and a table links each section."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

DERIVATIONS = Path(__file__).parents[2] / "docs" / "derivations"
PAGES = ("calculations.md", "equation-calculations.md")
HEADING = re.compile(r"^(##+) (.*)$", re.M)
CODE = re.compile(r"^```python\n(.*?)^```", re.S | re.M)


def read(page: str) -> str:
    return (DERIVATIONS / page).read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    """Return the code of every section, after that of its chapter, by page and anchor."""
    codes, shared = dict[str, str](), ""
    for page in PAGES:
        text = read(page) + "\n## "
        for heading, following in pairwise(HEADING.finditer(text)):
            code = "".join(CODE.findall(text[heading.end() : following.start()]))
            if heading[1] == "##":
                shared = code
            else:
                anchor = re.sub(r"[^\w -]", "", heading[2]).lower().replace(" ", "-")
                codes[f"{page}#{anchor}"] = shared + code
    return codes


@pytest.mark.parametrize("code", [pytest.param(code, id=anchor) for anchor, code in sections().items()])
def test_a_section_holds(code: str) -> None:
    exec(code, {})


def test_every_section_is_linked_from_a_table() -> None:
    tables = "".join(read(page) for page in ("errata.md", "claims.md", "tutorials.md"))
    assert {*sections()} == {*re.findall(r"\(([\w-]*calculations\.md#[^)]*)\)", tables)}
