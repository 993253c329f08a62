"""Drawn changes to correct homework: the check detects all changes that make it wrong, and never crashes."""

import random

import pytest
from check.class_mutants import CLASSES, methods_of
from check.homework_files import TEXTS, file_report, module, sampled
from check.mutants import CONDUCT, PAIRS, is_wrong, mutant, names_of, with_conduct

from chainrule.check.report import Report
from chainrule.errors import StudentError

SOURCE = TEXTS["functions"]
RIGHT = module(SOURCE)
DRAWN = random.Random(20)
CHANGES = [(pair, *mutant(SOURCE, names_of(pair), DRAWN)) for pair in PAIRS]
OF_CLASSES = TEXTS["classes"]
RIGHT_CLASSES = module(OF_CLASSES)
CHANGED_CLASSES = [(kind, *mutant(OF_CLASSES, methods_of(RIGHT_CLASSES, kind), DRAWN)) for kind in [*CLASSES] * 2]
WITHOUT_ERROR = {"wrong for one sample", "overwrites dout"}  # no variance to normalize; right, but changes its argument
EVERYWHERE = [conduct for conduct in CONDUCT if conduct not in WITHOUT_ERROR]
BEHAVIOUR = [(DRAWN.choice([*PAIRS]), conduct, DRAWN.randrange(1, 4)) for conduct in DRAWN.sample(EVERYWHERE, 12)]


def check(text: str, pair: str) -> Report:
    return file_report(text, *names_of(pair))


def passes(report: Report) -> bool:
    """Return whether every row is right, without reservations such as "right, but"."""
    return all(row.ok for row in report.rows)


@pytest.mark.parametrize(("pair", "said", "text"), sampled(CHANGES, 4), ids=[said for _, said, _ in CHANGES])
def test_a_change_that_makes_it_wrong_does_not_pass(pair: str, said: str, text: str) -> None:
    if is_wrong(RIGHT, module(text), PAIRS[pair]):
        assert not passes(check(text, pair)), said


@pytest.mark.parametrize(
    ("kind", "said", "text"),
    sampled(CHANGED_CLASSES, 4),
    ids=[f"{number} {said}" for number, (_, said, _) in enumerate(CHANGED_CLASSES)],
)
def test_a_change_that_makes_a_class_wrong_does_not_pass(kind: str, said: str, text: str) -> None:
    if is_wrong(RIGHT_CLASSES, module(text), CLASSES[kind]):
        try:
            report = file_report(text, kind)
        except StudentError:
            return
        assert not passes(report), said


@pytest.mark.parametrize("kind", CLASSES)
def test_a_class_equals_itself(kind: str) -> None:
    assert not is_wrong(RIGHT_CLASSES, module(OF_CLASSES), CLASSES[kind])


@pytest.mark.parametrize(("pair", "conduct", "number"), sampled(BEHAVIOUR, 4))
def test_code_that_is_right_on_some_calls_only_does_not_pass(pair: str, conduct: str, number: int) -> None:
    assert check(with_conduct(SOURCE, pair, conduct, number), pair).exit_code != 0, conduct


def test_an_overwritten_argument_is_reported_but_not_wrong() -> None:
    report = check(with_conduct(SOURCE, "max_pool_naive", "overwrites dout", 1), "max_pool_naive")
    assert report.exit_code == 0
    assert not passes(report)


@pytest.mark.parametrize("pair", ["affine", "max_pool_naive"])
def test_the_same_code_passes_unchanged(pair: str) -> None:
    assert not is_wrong(RIGHT, module(SOURCE), PAIRS[pair])
    assert passes(check(with_conduct(SOURCE, pair, "nothing", 1), pair))
