"""The trials of a grid: all combinations, each once, and folders' names that tell them apart."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.errors import OptionError
from chainrule.runs import sweep_grid as grid
from chainrule.runs.sweep_grid import SweepTrial

NAMES = st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True)
VALUES = st.from_regex(r"[a-z0-9.+-]{1,6}", fullmatch=True)
COMMAS = st.from_regex(r"[a-z0-9]{1,3}=[0-9],[a-z]{1,4}", fullmatch=True)
GRIDS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4, unique=True), max_size=3)


@given(GRIDS, st.integers(1, 3), st.integers(0, 5))
def test_every_combination_once(drawn: dict[str, list[str]], seeds: int, first: int) -> None:
    text = " ".join(f"{name}={','.join(values)}" for name, values in drawn.items())
    actual = grid.trials(grid.parse(text), grid.numbered(seeds, first))
    expected = [
        (dict(zip(drawn, values, strict=True)), seed)
        for values in itertools.product(*drawn.values())
        for seed in range(first, first + seeds)
    ]
    assert [(dict(trial.settings), trial.seed) for trial in actual] == expected


@given(st.lists(COMMAS, min_size=2, max_size=4, unique=True))
def test_values_with_commas_are_separated_by_bars(values: list[str]) -> None:
    assert grid.parse(f"augment={'|'.join(values)} lr=1") == {"augment": values, "lr": ["1"]}
    assert grid.parse("rates='a=1 b=2|none'") == {"rates": ["a=1 b=2", "none"]}


@given(st.lists(st.tuples(NAMES, st.text(max_size=200)), min_size=1, max_size=3), st.integers(0, 9))
def test_the_name_of_a_folder(settings: list[tuple[str, str]], seed: int) -> None:
    """Names are safe in every file system, short enough, and differ where settings or seeds do."""
    name = SweepTrial(tuple(settings), seed).name
    assert re.fullmatch(r"[\w.,=+-]{1,140}", name)
    (first, value), *rest = settings
    others = [SweepTrial(((first, value + "/"), *rest), seed), SweepTrial(tuple(settings), seed + 10)]
    assert len({name, *(other.name for other in others)}) == 3


REFUSED: list[tuple[str, Any, str]] = [  # grid, seeds, message
    ("rate", 1, "expected OPTION=VALUE,VALUE, found 'rate'"),
    ("=1", 1, "expected OPTION=VALUE,VALUE, found '=1'"),
    ("rate=1 rate=2", 1, "rate is given twice"),
    ("rate='1", 1, "no closing quotation"),
    *((f"rate={values}", 1, "rate has an empty value") for values in ("", "1,,2")),
    ("rate=1,2,1", 1, "rate has the value '1' twice"),
    (" ".join(f"a{n}=1,2,3,4,5,6,7,8,9,10" for n in range(6)), 1, "a grid of 1,000,000 trials: expected at most"),
    *(("rate=1", seeds, "seeds") for seeds in (0, -1, 10**6, [], [1, 2, 1])),
]


@pytest.mark.parametrize(("text", "seeds", "message"), REFUSED)
def test_impossible_grids_and_seeds_are_refused(text: str, seeds: Any, message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        grid.trials(grid.parse(text), grid.numbered(seeds))
