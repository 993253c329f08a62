"""Learning-rate factors for individual parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple, Self

from chainrule.data.text_options import TextOptions
from chainrule.errors import OptionError
from chainrule.training.named_options import named_numbers


class RateGroup(NamedTuple):
    """A range of parameters with the same learning-rate factor.

    first, last  range of indices in the flat buffer; ``last`` is excluded
    """

    first: int
    last: int
    factor: float

    def attributes(self, attributes: Mapping[str, float]) -> dict[str, float]:
        """Return an update's attributes with the rate multiplied by the factor, and the decay divided by it.

        The product rate · decay, the relative shrinkage of parameters at each step, is thus unchanged. A factor of 0
        sets the decay to 0.
        """
        changed = {**attributes, "rate": attributes["rate"] * self.factor}
        if "decay" in attributes:
            changed["decay"] = attributes["decay"] / self.factor if self.factor else 0.0
        return changed


@dataclass(frozen=True)
class LRMultipliers(TextOptions):
    """Learning-rate factors for individual parameters. All other parameters have a factor of 1.

    factors   pairs of a name and a factor. The name can be a parameter (conv1.w), a layer (conv1), a pattern for layers
              (conv*), or a parameter in all layers (beta). If several names match a parameter, the last one applies.
              A factor of 0 freezes the parameter: its gradient is not computed

    The factor does not apply to weight decay: a parameter shrinks by rate · decay at each step, unless it is frozen.

    >>> LRMultipliers((("conv1", 0.0), ("beta", 64.0)))
    """

    KIND = "lr_multipliers"
    EXAMPLE = "beta=64,conv1.w=0"

    factors: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        factors = list[tuple[str, float]]()
        for name, factor in self.factors:
            if factor < 0:
                raise OptionError(f"learning rate of {name} {factor}: expected a factor of at least 0")
            factors.append((name, float(factor)))
        object.__setattr__(self, "factors", tuple(factors))

    def __bool__(self) -> bool:
        return bool(self.factors)

    def __str__(self) -> str:
        """Return text that `parse` accepts: "beta=64,conv1.w=0" or "none"."""
        return ",".join(f"{name}={repr(factor).removesuffix('.0')}" for name, factor in self.factors) or "none"

    @classmethod
    def choose(cls, option: object) -> Self:
        """Return the multipliers for an option, as `TextOptions.choose`; None: no factors."""
        return super().choose(option) or cls()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse text from the command line: pairs such as "beta=64,conv1.w=0", or "none" for no factors."""
        parts = [part for part in text.split(",") if part.strip() not in ("", "none")]
        if not parts:
            return cls()
        return cls(tuple(named_numbers("lr_multipliers", ",".join(parts), "NAME=FACTOR")))

    def freezing(self, names: Sequence[str]) -> "LRMultipliers":
        """Return these multipliers with a factor of 0 for all parameters that match the names (see ``factors``)."""
        return LRMultipliers((*self.factors, *((name, 0.0) for name in names)))

    def frozen_names(self, layout: Mapping[str, tuple[int, int]]) -> frozenset[str]:
        """Return the names of the frozen parameters.

        layout   as in `groups`
        """
        frozen = set[str]()
        for group in self.groups(layout):
            for name, (first, last) in layout.items():
                if group.factor == 0 and group.first <= first and last <= group.last:
                    frozen.add(name)
        return frozenset(frozen)

    def groups(self, layout: Mapping[str, tuple[int, int]], option: str = "lr_multipliers") -> Sequence[RateGroup]:
        """Return groups of consecutive parameters with equal factors, in order; an empty list if there are no factors.

        layout   parameter name → range of its indices (first, last) in the flat buffer, in order; ``last`` is excluded
        option   name of the option that set the factors, for the error
        Errors   OptionError for a name that matches no parameter
        """
        return self._groups(layout, option) if self.factors else []

    def _groups(self, layout: Mapping[str, tuple[int, int]], option: str) -> Sequence[RateGroup]:
        """Return the ranges of the flat parameter buffer with equal factors. Later patterns override earlier ones.

        For conv1.w (0, 54), conv1.b (54, 60) and dense1.w (60, 90), the factor 0.1 for "conv1*" gives the groups
        (0, 60, 0.1) and (60, 90, 1.0). Fewer groups mean fewer updates.
        """
        factor_of = dict.fromkeys(layout, 1.0)
        for pattern, factor in self.factors:
            matching = [name for name in layout if _is_selected(name, pattern)]
            if not matching:
                raise OptionError(f"{option}: no parameter is named {pattern!r}; there are {', '.join(layout)}")
            factor_of |= dict.fromkeys(matching, factor)
        groups = list[RateGroup]()
        for name, (first, last) in layout.items():
            if groups and groups[-1].factor == factor_of[name]:
                groups[-1] = groups[-1]._replace(last=last)
            else:
                groups.append(RateGroup(first, last, factor_of[name]))
        return groups


def _is_selected(name: str, pattern: str) -> bool:
    """Return whether a pattern matches the name of a parameter, its layer or its short name (conv1.w, conv1, w)."""
    layer, _, short_name = name.rpartition(".")
    return any(fnmatchcase(spelling, pattern) for spelling in (name, layer, short_name))
