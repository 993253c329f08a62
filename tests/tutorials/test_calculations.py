"""The calculations behind errata and claims: the page's code runs, and the tables link every section of it."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "derivations"
HEADING = re.compile(r"^(##+) (.*)$", re.M)
CODE = re.compile(r"^```python\n(.*?)^```", re.S | re.M)


def sections() -> list[object]:
    """Return the code of every section, after that of its chapter."""
    text = (PAGES / "calculations.md").read_text(encoding="utf-8") + "\n## "
    cases, shared = [], ""
    for here, following in pairwise(HEADING.finditer(text)):
        code = "".join(CODE.findall(text[here.end() : following.start()]))
        if here[1] == "##":
            shared = code
        else:
            cases.append(pytest.param(shared + code, id=re.sub(r"[^\w -]", "", here[2]).lower().replace(" ", "-")))
    return cases


@pytest.mark.parametrize("code", sections())
def test_a_section_holds(code: str) -> None:
    exec(code, {})


def test_every_section_is_linked_from_a_table() -> None:
    text = "".join((PAGES / f"{name}.md").read_text(encoding="utf-8") for name in ("errata", "claims", "tutorials"))
    assert {case.id for case in sections()} == {*re.findall(r"\(calculations\.md#([^)]*)\)", text)}
