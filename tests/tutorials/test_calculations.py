"""The calculations behind equations, errata and claims: the code of the pages runs, and a table links each section."""

import re
from itertools import pairwise

import pytest
from docs.pages import FOLDER, text

PAGES = ("calculations.md", "equation-calculations.md")
HEADING = re.compile(r"^(##+) (.*)$", re.M)
CODE = re.compile(r"^```python\n(.*?)^```", re.S | re.M)


def sections() -> dict[str, str]:
    """Return the code of every section, after that of its chapter, by page and anchor."""
    codes, shared = dict[str, str](), ""
    for page in PAGES:
        whole = text(FOLDER / page) + "\n## "
        for heading, following in pairwise(HEADING.finditer(whole)):
            code = "".join(CODE.findall(whole[heading.end() : following.start()]))
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
    tables = "".join(text(FOLDER / page) for page in ("errata.md", "claims.md", "tutorials.md"))
    assert {*sections()} == {*re.findall(r"\(([\w-]*calculations\.md#[^)]*)\)", tables)}
