"""Programs of learners: right ones pass, and every mistake is found and named. `programs.py` says where they are."""

import pytest
from check.mutants import USES, is_wrong, used
from check.programs import CASES, FOLDERS, TEXTS, Case, file_report, module, require, sampled
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation.changes import mutant
from selection import draws

from chainrule.check.diagnoses import edits, general
from chainrule.check.report import ROUNDED

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),  # of code such as None[0], which fails when it runs
]
EVERY = [case for cases in CASES.values() for case in cases]
USED = [(program, names) for program, uses in USES.items() for names in uses]


def judged(step: int, *codes: int, folders: tuple[str, ...] = FOLDERS) -> pytest.MarkDecorator:
    """Return the parameters of a test: the cases of some folders with these exit codes."""
    cases = [case for folder in folders for case in CASES[folder] if case.code in codes]
    return pytest.mark.parametrize("case", sampled(cases, step), ids=str)


@judged(8, 0)
def test_right_programs_pass(case: Case) -> None:
    require(case)


@judged(10, 1, folders=("courses",))
def test_mistakes_in_homework_are_named(case: Case) -> None:
    require(case)


@judged(12, 1, folders=("planted",))
def test_planted_mistakes_are_named(case: Case) -> None:
    require(case)


@judged(6, 1, folders=("short",))
def test_mistakes_in_unusual_forms_are_found(case: Case) -> None:
    require(case)


@judged(5, 2, 3)
def test_unchecked_parts_are_never_right(case: Case) -> None:
    require(case)


@settings(max_examples=draws(8))
@given(case=st.sampled_from(EVERY), seed=st.integers(1, 10_000))
def test_verdicts_do_not_depend_on_the_probes(case: Case, seed: int) -> None:
    require(case if case.code == 2 else case._replace(diagnosis="", says=""), seed)


def test_every_kind_of_mistake_in_the_table_was_planted() -> None:
    written = {entry["name"] for entry in edits.entries()}
    written |= {mistake.diagnosis.name for mistake in (*general.mistakes("w"), *general.vague("w"))}
    assert written - {"ties-all-credited", ROUNDED} <= {case.diagnosis for case in EVERY}  # notes, not mistakes


@settings(max_examples=draws(6))
@given(use=st.sampled_from(USED), seed=st.integers(0, 1000))
def test_drawn_changes_are_judged_by_their_results(use: tuple[str, str], seed: int) -> None:
    """No change with other results passes as right, and none with the same results is wrong."""
    program, names = use
    run, text = USES[program][names], mutant(TEXTS[program], used(names), seed)
    rows = [result for result in file_report(text, *names.split()).results if result.name in names.split()]
    if is_wrong(module(TEXTS[program]), module(text), run):
        assert not all(row.ok and "fails for batches" not in row.verdict for row in rows), text
    else:
        assert not any(row.is_wrong for row in rows), text
