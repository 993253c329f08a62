"""docs/derivations/ is correct: its sessions run, its arithmetic is right, its equations are those of the code."""

import doctest
import inspect
import re
from pathlib import Path

import pytest
from docs.arithmetic import disagreements
from docs.pages import (
    ANY_LINK,
    CODE_LINK,
    FAMILIES,
    FENCE,
    FOLDER,
    INLINE,
    PAGES,
    ROOT,
    defined_equations,
    formulas,
    names_in,
    prose,
    rows,
    session,
    stated,
    target,
    text,
)

from chainrule.engines import numpy as numpy_engine
from chainrule.explain.code import locations
from chainrule.operations import definitions, reference

SOURCE = ROOT / "src" / "chainrule"
SECTIONS = ("the numbers", "the index form", "the matrix form", "the einsum form", "in the code")
MANGLED = re.compile(r"\\[,;!{}\\]|\}_|\*")  # characters that Markdown changes within a line

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
each_family = pytest.mark.parametrize("family", FAMILIES)
each_operation = pytest.mark.parametrize("name", reference.__all__)


def page_of(name: str) -> Path:
    return FOLDER / f"{definitions.family(name)}.md"


@each_page
def test_every_session_gives_what_is_printed(page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(session(page), {}, page.name, str(page), 0)
    said: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert results.attempted > 0
    assert not results.failed, "".join(said)


@each_page
def test_every_equation_between_numbers_is_right(page: Path) -> None:
    checked = [disagreements(formula) for formula in formulas(page)]
    assert [actual for _, wrong in checked for actual in wrong] == []
    assert sum(compared for compared, _ in checked) > 0


@each_page
def test_every_block_is_of_a_kind_that_is_checked(page: Path) -> None:
    assert {language for language, _ in FENCE.findall(text(page))} <= {"pycon", "math", "text"}
    assert text(page).count("```") == 2 * len(FENCE.findall(text(page)))


@each_page
def test_formulas_in_a_line_survive_markdown(page: Path) -> None:
    actual = INLINE.findall(prose(page))
    assert [formula for formula in actual if MANGLED.search(formula)] == []
    assert "$" not in INLINE.sub("", prose(page))


@each_operation
def test_the_equation_on_the_page_is_that_of_the_code(name: str) -> None:
    expected = defined_equations(name)
    assert expected, f"the docstring of {name} has no equation"
    assert stated(page_of(name)).get(name) == expected


@each_operation
def test_where_an_operation_lives(name: str) -> None:
    page = page_of(name)
    cells = rows(page)[name]
    linked = [target(page, place) for cell in cells[:3] for place in ANY_LINK.findall(cell)]
    assert linked[0] == Path(getattr(reference, name).__code__.co_filename)
    if name in definitions.generated():  # the engines' code is generated
        formulas_file = SOURCE / f"operations/{definitions.family(name)}.toml"
        assert linked[1:] == [formulas_file, formulas_file]
    else:
        assert linked[1] == Path(inspect.unwrap(getattr(numpy_engine, name)).__code__.co_filename)
        assert linked[2].parent in (SOURCE / "engines/native/kernels", SOURCE / "engines/native/kernels")
        assert [file for file in linked if name not in names_in(file)] == []
    assert list(dict.fromkeys(linked)) == [SOURCE / place.file for place in locations(name)]
    assert all(CODE_LINK.search(cell) for cell in cells[3:]), "no function is named"
    assert len(cells) == 5


@each_page
def test_code_that_is_named_is_there(page: Path) -> None:
    named = [(name, target(page, place)) for name, place in CODE_LINK.findall(text(page))]
    assert [(name, file.name) for name, file in named if name not in names_in(file)] == []


@each_family
def test_every_family_has_all_five_forms(family: str) -> None:
    headings = [line.lstrip("# ").lower() for line in text(FOLDER / f"{family}.md").splitlines() if line[:2] == "##"]
    assert [section for section in SECTIONS if not any(section in heading for heading in headings)] == []


@each_family
def test_reference_and_contents_lead_to_the_page(family: str) -> None:
    functions = [getattr(reference, name) for name in reference.__all__ if definitions.family(name) == family]
    assert all(f"{family}.md" in (inspect.getdoc(inspect.getmodule(function)) or "") for function in functions)
    assert f"({family}.md)" in text(FOLDER / "README.md")
