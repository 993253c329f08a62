"""Explanations of group normalization and its gradients. Equations: reference/normalization.py."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import sqrt
from typing import Any

import numpy as np

from chainrule.explain.cells import CellContext, Index
from chainrule.explain.notation import at, letters, plus, sum_over, times
from chainrule.explain.record import CalculationStep, Derivation, Factor, Scale, Term

HAT = "x\u0302"
WHERE = ("i", "j")


@dataclass(frozen=True)
class ChannelGroup:
    """One group of channels in one sample.

    number   index of the group
    x        position of x among the operation's inputs
    gamma    position of γ among the inputs, or None if γ is not an input
    """

    ctx: CellContext
    sample: int
    number: int
    x: int
    gamma: int | None

    @cached_property
    def depth(self) -> int:
        """Number of channels per group."""
        return self.ctx.array(self.x).shape[1] // self.ctx.arguments["groups"]

    @cached_property
    def places(self) -> list[Index]:
        """All indices in the group, channel by channel."""
        first, cells = self.number * self.depth, self.ctx.array(self.x).shape[2:]
        channels = range(first, first + self.depth)
        return [(self.sample, c, *where) for c, where in product(channels, np.ndindex(cells))]

    def scale_of(self, c: int) -> Index:
        """Return the index of a channel's γ and β."""
        return (c % self.depth if self.ctx.arguments["shared"] else c,)

    @cached_property
    def mean(self) -> float:
        """Mean of the group, as computed by the operation."""
        return float(self._statistic("mean"))

    @cached_property
    def variance(self) -> float:
        """Variance of the group, as computed by the operation."""
        return float(self._statistic("variance"))

    @property
    def deviation(self) -> float:
        """√(σ² + ε)."""
        return sqrt(self.variance + self.ctx.arguments["epsilon"])

    def normal(self, place: Index) -> float:
        """Return x̂ of an element."""
        return (float(self.ctx.array(self.x)[place]) - self.mean) / self.deviation

    def steps(self, place: Index) -> tuple[CalculationStep, CalculationStep]:
        """Return the steps that calculate x̂."""
        x, epsilon = float(self.ctx.array(self.x)[place]), self.ctx.arguments["epsilon"]
        operands = (x, self.mean, self.deviation)
        return (
            self.ctx.calculation("s", "√(σ² + ε)", "√({} + {})", (self.variance, epsilon), self.deviation),
            self.ctx.calculation(HAT, "(x − μ) / s", "({} − {}) / {}", operands, self.normal(place)),
        )

    @property
    def statistics(self) -> tuple[str, str]:
        """Names of the cells with the mean and the variance."""
        index = (self.number,) if self.ctx.samples == 1 else (self.sample, self.number)
        return at(f"{self.ctx.layer}.mean", *index), at(f"{self.ctx.layer}.variance", *index)

    def facts(self) -> dict[str, Any]:
        """Return the facts about the group that sentences use."""
        first = self.number * self.depth
        return {
            "values": len(self.places),
            "first": first,
            "last": first + self.depth - 1,
            "several": self.depth > 1,
        }

    def _statistic(self, name: str) -> Any:
        statistics = self.ctx.arrays[f"{self.ctx.layer}.{name}"]
        return statistics.reshape(self.ctx.samples, -1)[self.sample, self.number]


def group_norm(ctx: CellContext) -> Derivation:
    """Explain y = γ·x̂ + β with x̂ = (x − μ) / √(σ² + ε), or the μ or σ² of a sample's group."""
    return (_output, _mean, _variance)[ctx.place](ctx)


def group_norm_dx(ctx: CellContext) -> Derivation:
    """Explain dx = (γ·dy − A − x̂·B) / √(σ² + ε)."""
    place = (ctx.sample, *ctx.own_index)
    group = _group(ctx, x=1, gamma=2)
    slopes, scales, size = ctx.array(0), ctx.array(2), len(group.places)
    dy, gamma = ctx.factor(0, place), ctx.factor(2, group.scale_of(place[1]))
    weighted = [float(scales[group.scale_of(entry[1])] * slopes[entry]) for entry in group.places]
    level = sum(weighted) / size
    tilt = sum(entry * group.normal(here) for entry, here in zip(weighted, group.places, strict=True)) / size
    slope, normal = gamma.value * dy.value, group.normal(place)
    operands = (slope, level, normal, tilt, group.deviation)
    steps = (
        *group.steps(place),
        ctx.calculation("A", "Σ γ·dy / M", "{} / {}", (level * size, size), level),
        ctx.calculation("B", f"Σ γ·dy·{HAT} / M", "{} / {}", (tilt * size, size), tilt),
        ctx.calculation("G", "γ·dy", "{}·{}", (gamma.value, dy.value), slope),
        ctx.calculation(ctx.result, f"(G − A − {HAT}·B) / s", "({} − {} − {}·{}) / {}", operands, ctx.value),
    )
    written = [
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = (γ[{k}]·{ctx.bracket('dy', *index, sample=sample)} − A − "
        f"{ctx.bracket(HAT, *index, sample=sample)}·B) / s"
        for index, sample, k in _written(ctx, group)
    ]
    others = [ctx.cell(2, group.scale_of(c)) for c in range(group.facts()["first"], group.facts()["last"] + 1)]
    cells = [ctx.cell(read, entry) for read in (1, 0) for entry in group.places]
    sources = (dy.cell or "", gamma.cell or "", *others, *group.statistics, *cells)
    return Derivation(
        ctx.sentences(**group.facts()), written[0], written[1], steps=steps, sources=tuple(dict.fromkeys(sources))
    )


def group_norm_dw(ctx: CellContext) -> Derivation:
    """Explain dγ[k] = Σ dy·x̂ or dβ[k] = Σ dy, summed over samples, positions and the groups that share γ and β."""
    (k,), scaled, x = ctx.own_index, ctx.place == 0, ctx.array(1)
    shared, depth = ctx.arguments["shared"], x.shape[1] // ctx.arguments["groups"]
    channels = range(k, x.shape[1], depth) if shared else (k,)
    terms: list[Term] = []
    groups: dict[str, None] = {}
    cells: list[str] = []
    for n, c, where in product(range(ctx.samples), channels, np.ndindex(x.shape[2:])):
        group = ChannelGroup(ctx, n, c // depth, 1, None)
        place = (n, c, *where)
        extra = (Factor(HAT, None, group.normal(place)),) if scaled else ()
        terms.append(Term.of(ctx.factor(0, place), *extra))
        groups.update(dict.fromkeys(group.statistics))
        cells.append(ctx.cell(1, place))
    where = WHERE[: x.ndim - 2]
    written: list[str] = []
    for channel in ("k", k):
        index = (plus(channel, times(depth, "g")) if shared else channel, *where)
        over = ctx.over(*(("g",) if shared else ()), *where)
        hat = f" · {ctx.bracket(HAT, *index)}" if scaled else ""
        written.append(f"{at(ctx.result, channel)} = {over}{ctx.bracket('dy', *index)}{hat}")
    words = ctx.sentences(scale=scaled, shared=shared)
    sources = (*cells, *groups) if scaled else ()
    return Derivation(words, written[0], written[1], tuple(terms), sources=sources)


# ------------------------------------------------------------------------------------ results of group_norm


def _output(ctx: CellContext) -> Derivation:
    place, group = (ctx.sample, *ctx.own_index), _group(ctx, x=0, gamma=1)
    scale = group.scale_of(place[1])
    x, gamma, beta = ctx.factor(0, place), ctx.factor(1, scale), ctx.factor(2, scale)
    size, normal = len(group.places), group.normal(place)
    steps = (
        ctx.calculation("μ", "Σ x / M", "{} / {}", (group.mean * size, size), group.mean),
        *group.steps(place),
        ctx.calculation(ctx.result, f"γ·{HAT} + β", "{}·{} + {}", (gamma.value, normal, beta.value), ctx.value),
    )
    written = [
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = γ[{k}] · "
        f"({ctx.bracket('x', *index, sample=sample)} − μ) / √(σ² + ε) + β[{k}]"
        for index, sample, k in _written(ctx, group)
    ]
    words = ctx.sentences(output=True, mean=False, variance=False, **group.facts())
    sources = (x.cell or "", gamma.cell or "", beta.cell or "", *group.statistics)
    return Derivation(words, written[0], written[1], steps=steps, sources=sources)


def _mean(ctx: CellContext) -> Derivation:
    group = _statistic_of(ctx)
    terms = tuple(Term.of(ctx.factor(0, place)) for place in group.places)
    index = ("c", *WHERE[: ctx.array(0).ndim - 2])
    size = len(terms)
    written = [
        f"{ctx.bracket(ctx.result, g, sample=n)} = 1/{many} · {sum_over(index)}{ctx.bracket('x', *index, sample=n)}"
        for g, n, many in (("g", "n", "M"), (group.number, group.sample, str(size)))
    ]
    words = ctx.sentences(output=False, mean=True, variance=False, **group.facts())
    return Derivation(words, written[0], written[1], terms, Scale(f"1/{size}", 1 / size))


def _variance(ctx: CellContext) -> Derivation:
    group = _statistic_of(ctx)
    factors = [Factor("(x − μ)", None, float(ctx.array(0)[place]) - group.mean) for place in group.places]
    index = ("c", *WHERE[: ctx.array(0).ndim - 2])
    size = len(factors)
    written = [
        f"{ctx.bracket(ctx.result, g, sample=n)} = 1/{many} · {sum_over(index)}"
        f"({ctx.bracket('x', *index, sample=n)} − {ctx.bracket('μ', g, sample=n)})^{{2}}"
        for g, n, many in (("g", "n", "M"), (group.number, group.sample, str(size)))
    ]
    words = ctx.sentences(output=False, mean=False, variance=True, **group.facts())
    terms = tuple(Term.of(factor, factor) for factor in factors)
    sources = (group.statistics[0], *(ctx.cell(0, place) for place in group.places))
    return Derivation(words, written[0], written[1], terms, Scale(f"1/{size}", 1 / size), sources=sources)


# -------------------------------------------------------------------------------------------------- parts


def _group(ctx: CellContext, x: int, gamma: int) -> ChannelGroup:
    """Return the group that contains the explained element."""
    depth = ctx.array(x).shape[1] // ctx.arguments["groups"]
    return ChannelGroup(ctx, ctx.sample, ctx.own_index[0] // depth, x, gamma)


def _statistic_of(ctx: CellContext) -> ChannelGroup:
    """Return the group whose mean or variance is explained."""
    return ChannelGroup(ctx, ctx.sample, ctx.own_index[0], 0, 1)


def _written(ctx: CellContext, group: ChannelGroup) -> list[tuple[Any, Any, Any]]:
    """Return the index, the sample and the index of γ, first as letters and then as numbers."""
    names = letters(len(ctx.own_index))
    own = group.scale_of(ctx.own_index[0])[0]
    shared = ctx.arguments["shared"]
    return [(names, "n", f"{names[0]} mod {group.depth}" if shared else names[0]), (ctx.own_index, ctx.sample, own)]
