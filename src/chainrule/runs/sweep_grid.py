"""The trials of a sweep: every combination of the values of some options, with every seed."""

import hashlib
import itertools
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.errors import OptionError, quoted

MOST_TRIALS = 100_000
LONGEST_NAME = 120  # characters of a folder's name
UNSAFE = re.compile(r"[^\w.,=+-]")


@dataclass(frozen=True)
class SweepTrial:
    """One training of a sweep.

    settings  pairs of a swept option and its value
    seed      of its weights and batches
    """

    settings: tuple[tuple[str, Any], ...]
    seed: int

    @property
    def name(self) -> str:
        """Name of the run folder, from the settings and the seed; the same in every sweep that has this trial."""
        text = ",".join(f"{name}={value}" for name, value in (*self.settings, ("seed", self.seed)))
        safe = UNSAFE.sub("-", text)
        if safe == text and len(text) <= LONGEST_NAME:
            return text
        digest = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:8]
        return f"{safe[:LONGEST_NAME]}-{digest}"


def parse(text: str) -> dict[str, list[str]]:
    """Parse "rate=0.001,0.01 batch=32,64" into the values of each option, as texts.

    Values that contain commas are separated by bars, "augment=none|shift=2,flip"; quotes protect spaces.

    Errors   OptionError for anything else
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"grid {quoted(text)}: {str(error).lower()}") from None
    found: dict[str, list[str]] = {}
    for part in parts:
        name, equals, values = part.partition("=")
        if not equals or not name:
            raise OptionError(f"grid {quoted(text)}: expected OPTION=VALUE,VALUE, found {quoted(part)}")
        if name in found:
            raise OptionError(f"grid {quoted(text)}: {name} is given twice")
        found[name] = values.split("|" if "|" in values else ",")
    return found


def trials(grid: Mapping[str, Iterable[Any]], seeds: Sequence[int]) -> list[SweepTrial]:
    """Return the trials of a grid: all combinations in order, each with every seed.

    Errors   OptionError for an option without values or with the same one twice, no seed, or over `MOST_TRIALS` trials
    """
    values = {name: list(each) for name, each in grid.items()}
    count = len(seeds)
    for name, each in values.items():
        texts = [str(value) for value in each]
        if not texts or "" in texts:
            raise OptionError(f"grid: {name} has an empty value" if texts else f"grid: {name} has no values")
        if len({*texts}) < len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            raise OptionError(f"grid: {name} has the value {quoted(twice)} twice")
        count *= len(texts)
    if not seeds or len({*seeds}) < len(seeds):
        raise OptionError(f"seeds {quoted(list(seeds))}: expected at least one, each of them once")
    if count > MOST_TRIALS:
        raise OptionError(f"a grid of {count:,} trials: expected at most {MOST_TRIALS:,}")
    combinations = itertools.product(*([(name, value) for value in each] for name, each in values.items()))
    return [SweepTrial(settings, seed) for settings in combinations for seed in seeds]


def numbered(seeds: int | Sequence[int], first: int = 0) -> list[int]:
    """Return the seeds: those given, or a number of them from ``first`` on."""
    if not isinstance(seeds, int):
        return [*seeds]
    if not 1 <= seeds <= MOST_TRIALS:
        raise OptionError(f"seeds {seeds}: expected from 1 to {MOST_TRIALS:,}")
    return [*range(first, first + seeds)]
