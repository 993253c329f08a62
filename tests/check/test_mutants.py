"""Drawn changes to right homework: none that makes it wrong passes the check, and none crashes it."""

import random

import pytest
from check.mutants import CONDUCT, PAIRS, is_wrong, module, mutant, names_of, with_conduct
from check.test_courses import TEXTS

from chainrule.check.files import LocalFile, check_file

SOURCE = TEXTS["functions"]
RIGHT = module(SOURCE)
DRAWN = random.Random(20)
CHANGES = [
    (pair, *mutant(SOURCE, names_of(pair), DRAWN)) for pair in PAIRS
]  # fmt: skip
EVERYWHERE = [
    name for name in CONDUCT if name != "wrong for one sample"
]  # of which batch normalisation has no variance
BEHAVIOUR = [(DRAWN.choice([*PAIRS]), conduct, DRAWN.randrange(1, 4)) for conduct in DRAWN.sample(EVERYWHERE, 12)]


def exit_code(text: str, pair: str) -> int:
    report = check_file(LocalFile(module(text)), "layers", 0, names=names_of(pair))
    assert report is not None
    return report.exit_code


@pytest.mark.parametrize(("pair", "said", "text"), CHANGES, ids=[said for _, said, _ in CHANGES])
def test_a_change_that_makes_it_wrong_does_not_pass(pair: str, said: str, text: str) -> None:
    if is_wrong(RIGHT, module(text), PAIRS[pair]):
        assert exit_code(text, pair) != 0, said


@pytest.mark.parametrize(("pair", "conduct", "number"), BEHAVIOUR)
def test_code_that_is_right_on_some_calls_only_does_not_pass(pair: str, conduct: str, number: int) -> None:
    assert exit_code(with_conduct(SOURCE, pair, conduct, number), pair) != 0, conduct


@pytest.mark.parametrize("pair", ["affine", "max_pool_naive"])
def test_the_same_code_passes_unchanged(pair: str) -> None:
    assert not is_wrong(RIGHT, module(SOURCE), PAIRS[pair])
    assert exit_code(with_conduct(SOURCE, pair, "nothing", 1), pair) == 0
