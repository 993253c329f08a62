"""The grid of a sweep, and its trials: every combination of the values of some options, with every seed."""

import hashlib
import itertools
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from chainrule.core.options import is_integer, plain
from chainrule.core.shapes import is_whole
from chainrule.errors import OptionError, quoted

MOST_TRIALS = 100_000
LONGEST_NAME = 120  # characters in the name of a folder
UNSAFE = re.compile(r"[^\w.,=+-]")


@dataclass(frozen=True)
class SweepTrial:
    """One training of a sweep.

    settings  pairs of a swept option and its value
    seed      seed of the weights and batches
    """

    settings: tuple[tuple[str, Any], ...]
    seed: int

    @property
    def name(self) -> str:
        """Name of the run folder, which depends only on the settings and the seed."""
        text = ",".join(f"{name}={value}" for name, value in (*self.settings, ("seed", self.seed)))
        safe = UNSAFE.sub("-", text)
        if safe == text and len(text) <= LONGEST_NAME:
            return text
        digest = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:8]
        return f"{safe[:LONGEST_NAME]}-{digest}"


def parse(text: str) -> dict[str, list[str]]:
    """Parse "rate=0.001,0.01 batch=32,64" into lists of values (strings) by option.

    Values with commas are separated by vertical bars: "augment=none|shift=2,flip". Values with spaces are quoted.

    Errors   OptionError for any other text
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"grid {quoted(text)}: {str(error).lower()}") from None
    grid: dict[str, list[str]] = {}
    for part in parts:
        name, equals, values = part.partition("=")
        if not equals or not name:
            raise OptionError(f"grid {quoted(text)}: expected OPTION=VALUE,VALUE, found {quoted(part)}")
        if name in grid:
            raise OptionError(f"grid {quoted(text)}: {name} is given twice")
        separator = ","
        if "|" in values:
            separator = "|"
        grid[name] = values.split(separator)
    return grid


def trials(grid: Mapping[str, Iterable[Any]], seeds: Sequence[int]) -> list[SweepTrial]:
    """Return the trials of a grid in order: all combinations of values, each with every seed.

    Errors   OptionError for an option without values, duplicate values or seeds, no seed, or over `MOST_TRIALS` trials
    """
    settings = list[list[tuple[str, Any]]]()  # of each option, all pairs of its name and a value
    for name, values in grid.items():
        settings.append([(name, value) for value in _values(name, values)])
    if not seeds or len({*seeds}) < len(seeds):
        raise OptionError(f"seeds {quoted(list(seeds))}: expected at least one seed, without duplicates")
    count = len(seeds) * math.prod(map(len, settings))
    if count > MOST_TRIALS:
        raise OptionError(f"a grid of {count:,} trials: expected at most {MOST_TRIALS:,}")
    all_trials = list[SweepTrial]()
    for combination in itertools.product(*settings):
        for seed in seeds:
            all_trials.append(SweepTrial(combination, seed))
    return all_trials


def _values(name: str, values: Any) -> list[Any]:
    """Return the values of an option as a list; OptionError for none, an empty one, or duplicates."""
    if not isinstance(values, Iterable):
        raise OptionError(f"grid: {name} {quoted(values)}: expected a list of values")
    listed = list(cast("Iterable[Any]", values))
    if not listed:
        raise OptionError(f"grid: {name} has no values")
    seen = set[str]()
    for text in map(str, listed):
        if not text:
            raise OptionError(f"grid: {name} has an empty value")
        if text in seen:
            raise OptionError(f"grid: {name} has the value {quoted(text)} twice")
        seen.add(text)
    return listed


def numbered(seeds: int | Sequence[int], first: int = 0) -> list[int]:
    """Return the seeds as a list. If ``seeds`` is a number, return as many consecutive seeds, from ``first``."""
    value: object = plain(seeds)
    numbers = list[Any]()
    if isinstance(value, Iterable):
        numbers = list(cast("Iterable[Any]", value))
    elif isinstance(value, int) and is_whole(value, 1) and value <= MOST_TRIALS:
        numbers = [*range(first, first + value)]
    if not numbers or not all(map(is_integer, numbers)):
        raise OptionError(f"seeds {quoted(seeds)}: expected a number from 1 to {MOST_TRIALS:,}, or a list of seeds")
    return numbers
