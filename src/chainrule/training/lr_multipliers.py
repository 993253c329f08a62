"""Factors of the learning rate for single parameters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from chainrule.errors import OptionError, quoted


class RateGroup(NamedTuple):
    """Parameters from index ``first`` to ``last`` of the flat buffer, which have the same factor."""

    first: int
    last: int
    factor: float

    def attributes(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes of an update with the rate times the factor, and rate · decay as without it."""
        changed = {**given, "rate": given["rate"] * self.factor}
        decay = given.get("decay", 0.0) / self.factor if self.factor else 0.0
        return {**changed, "decay": decay} if "decay" in given else changed


@dataclass(frozen=True)
class LRMultipliers:
    """Factors by which the learning rate is multiplied, by the names of parameters; 1 for all others.

    factors   pairs of a name and its factor: conv1.w names one parameter, conv1 all of a layer, conv* all of layers
              whose names begin so, beta all parameters of that name. Where two name the same parameter, the later one
              counts. A factor of 0 freezes the parameter: its gradient is not computed

    Decay is not multiplied: it shrinks a parameter by rate · decay in each step whatever the factor, unless it is 0.
    """

    factors: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        try:
            pairs = tuple((str(name), float(factor)) for name, factor in self.factors)
        except (TypeError, ValueError):
            raise OptionError(f"lr_multipliers {quoted(self.factors)}: expected pairs of a name and a factor") from None
        for name, factor in pairs:
            if not 0 <= factor < math.inf:
                raise OptionError(f"learning rate of {name} {factor}: expected a factor of at least 0")
        object.__setattr__(self, "factors", pairs)

    def __bool__(self) -> bool:
        return bool(self.factors)

    def __str__(self) -> str:
        """Return the text that `parse` reads: "beta=64,conv1.w=0", or "none"."""
        return ",".join(f"{name}={repr(factor).removesuffix('.0')}" for name, factor in self.factors) or "none"

    @staticmethod
    def choose(option: Any) -> "LRMultipliers":
        """Return the multipliers for an option: `LRMultipliers`, the text that `parse` reads, or None for factors of 1.

        Errors   OptionError for any other value
        """
        if isinstance(option, str):
            return LRMultipliers.parse(option)
        if option is None or isinstance(option, LRMultipliers):
            return option or LRMultipliers()
        raise OptionError(
            f"lr_multipliers {quoted(option)}: expected LRMultipliers, or text such as 'beta=64,conv1.w=0'"
        )

    @staticmethod
    def parse(text: str) -> "LRMultipliers":
        """Parse factors as on the command line: "beta=64,conv1.w=0", or "none"."""
        pairs: list[tuple[str, float]] = []
        for part in (part.strip() for part in text.split(",")):
            if part in ("", "none"):
                continue
            name, _, amount = part.partition("=")
            try:
                pairs.append((name, float(amount)))
            except ValueError:
                raise OptionError(f"lr_multipliers {text!r}: expected NAME=FACTOR, found {part!r}") from None
        return LRMultipliers(tuple(pairs))

    @staticmethod
    def frozen(*names: str) -> "LRMultipliers":
        """Return the multipliers that freeze what these names stand for."""
        return LRMultipliers(tuple((name, 0.0) for name in names))

    def frozen_names(self, layout: Mapping[str, tuple[int, int]]) -> frozenset[str]:
        """Return the names of the frozen parameters."""
        still = [group for group in self.groups(layout) if not group.factor]
        return frozenset(
            name for name, (first, last) in layout.items() if any(g.first <= first and last <= g.last for g in still)
        )

    def groups(self, layout: Mapping[str, tuple[int, int]]) -> Sequence[RateGroup]:
        """Return the groups of equal factor that make up all parameters, in order; none where there are no factors.

        layout   range of each parameter in the flat buffer, by name and in order
        Errors   OptionError for a name that no parameter has
        """
        named = dict.fromkeys(layout, 1.0)
        for wanted, factor in self.factors:
            matching = [name for name in layout if any(fnmatchcase(each, wanted) for each in _spellings(name))]
            if not matching:
                raise OptionError(f"lr_multipliers: no parameter is named {wanted!r}; there are {', '.join(layout)}")
            named |= dict.fromkeys(matching, factor)
        groups: list[RateGroup] = []
        for name, (first, last) in layout.items() if self.factors else ():
            if groups and groups[-1].factor == named[name]:
                groups[-1] = groups[-1]._replace(last=last)
            else:
                groups.append(RateGroup(first, last, named[name]))
        return groups


def _spellings(name: str) -> tuple[str, str, str]:
    """Return a parameter's full name, its layer and its own name: conv1.w, conv1, w."""
    layer, _, own = name.rpartition(".")
    return name, layer, own
