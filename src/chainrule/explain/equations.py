"""Explanations of sums of products: the equation in letters, the equation with a cell's indices, and the terms.

The equations come from `chainrule.operations`. The same rules evaluate indices for letters, for the cell's numbers,
and for the numbers of one term.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, cast

from chainrule.core.plan import Tensor
from chainrule.explain import notation
from chainrule.explain.cells import CellContext
from chainrule.explain.notation import Index, at, minus, over, plus, sum_over, times, with_bar
from chainrule.explain.record import Derivation, Factor, Term
from chainrule.operations import definitions

OPERATORS = {"+": plus, "−": minus, "·": times, "/": over}
Parsed = Mapping[str, Any]
Values = Mapping[str, Index]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """The constants of a sliding window; pairs are (rows, columns).

    size      size of the image
    output    number of window positions
    kernel    size of the kernel
    before    number of zeros before the first row and column
    filters   number of filters per group
    channels  number of channels per group
    """

    size: Pair
    output: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    flip: bool
    groups: int
    filters: int
    channels: int

    @staticmethod
    def of(ctx: CellContext) -> "Window":
        """Return the window of a cross-correlation or of one of its gradients."""
        written, reads = ctx.operation.writes[0].shape, [ctx.array(0).shape, ctx.array(1).shape]
        match ctx.operation.name:
            case "cross_correlate":
                size, kernel, output = reads[0][-2:], reads[1], written[-2:]
            case "cross_correlate_dx":
                size, kernel, output = written[-2:], reads[1], reads[0][-2:]
            case _:
                size, kernel, output = reads[0][-2:], written, reads[1][-2:]
        arguments = ctx.arguments
        (top, _), (left, _) = arguments["padding"]
        return Window(
            size=_pair(size),
            output=_pair(output),
            kernel=_pair(kernel[2:]),
            stride=_pair(arguments["stride"]),
            dilation=_pair(arguments["dilation"]),
            before=(top, left),
            flip=arguments["flip"],
            groups=arguments["groups"],
            filters=kernel[0] // arguments["groups"],
            channels=kernel[1],
        )

    @property
    def padded(self) -> bool:
        """Whether the window extends beyond an edge of the image."""
        return any(
            before > 0 or stride * (output - 1) + dilation * (kernel - 1) - before >= size
            for size, output, kernel, stride, dilation, before in zip(
                self.size, self.output, self.kernel, self.stride, self.dilation, self.before, strict=True
            )
        )

    def group(self, letter: str, index: int) -> int:
        """Return the group of filter ``o`` or channel ``c``, whose index counts over all groups."""
        return index // (self.filters if letter == "o" else self.channels)

    def letters(self) -> list[dict[str, Index]]:
        """Return the letters of the constants on each axis; a constant without effect is replaced by 1 or 0.

        last   last index of a flipped kernel: tap u is element last − u
        """
        return [
            {
                "s": "s" if self.stride[axis] > 1 else 1,
                "d": "d" if self.dilation[axis] > 1 else 1,
                padding: padding if self.before[axis] else 0,
                **({"last": f"K{'HW'[axis]}−1"} if self.flip else {}),
                "c₀": "c₀" if self.groups > 1 else 0,
            }
            for axis, padding in enumerate("pq")
        ]

    def numbers(self, group: int) -> list[dict[str, Index]]:
        """Return the numbers of the constants on each axis, for one group."""
        return [
            {
                "s": self.stride[axis],
                "d": self.dilation[axis],
                padding: self.before[axis],
                **({"last": self.kernel[axis] - 1} if self.flip else {}),
                "c₀": group * self.channels,
            }
            for axis, padding in enumerate("pq")
        ]

    def facts(self) -> Mapping[str, object]:
        """Return the facts about the window that sentences use."""
        return {
            "rows": self.kernel[0],
            "columns": self.kernel[1],
            "positions": self.output[0] * self.output[1],
            "once": self.output == (1, 1),
            "deep": self.channels > 1,
            "padded": self.padded,
            "strided": max(self.stride) > 1,
            "grouped": self.groups > 1,
            "groups": self.groups,
            "filters": self.filters,
            "channels": self.channels,
        }


def explain(ctx: CellContext) -> Derivation:
    """Explain a value that is a sum of products."""
    return _Equation(ctx).derive()


@dataclass(frozen=True)
class _Equation:
    """An operation's equation, applied to one element of the result."""

    ctx: CellContext

    @cached_property
    def entry(self) -> Mapping[str, Any]:
        return definitions.entries()[self.ctx.operation.name]

    @cached_property
    def window(self) -> Window | None:
        """The operation's sliding window, or None."""
        return Window.of(self.ctx) if "stride" in self.ctx.arguments else None

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether all factors have the same index as the result. The equation then holds for any number of axes."""
        index, parts = self.entry["parsed"]["result"]["index"], self.entry["parsed"]["parts"]
        return all(factor["index"] == index for part in parts for factor in part["factors"])

    @cached_property
    def index(self) -> list[str]:
        """The result's index as letters."""
        if not self.is_elementwise:
            return self.entry["parsed"]["result"]["index"]
        return ["n"] * self.per_sample + [*notation.letters(len(self.ctx.shape))]

    @property
    def per_sample(self) -> bool:
        return self.ctx.operation.writes[self.ctx.place].per_sample

    @cached_property
    def own_indices(self) -> dict[str, int]:
        """The values of the letters in the result's index; n is the sample."""
        letters = [letter for letter in self.index if letter != "n"]
        own = dict(zip(letters, self.ctx.own_index, strict=False))
        return {"n": self.ctx.sample, **own} if self.per_sample else own

    @cached_property
    def group(self) -> int:
        """The element's group."""
        letter = "o" if "o" in self.own_indices else "c"
        return self.window.group(letter, self.own_indices[letter]) if self.window else 0

    @cached_property
    def parts(self) -> list[Parsed]:
        """The summands, except those whose tensors are missing, such as an absent bias."""
        return [part for part in self.entry["parsed"]["parts"] if all(map(self._is_read, part["factors"]))]

    def derive(self) -> Derivation:
        none: list[dict[str, Index]] = [{}, {}]
        letters = self.window.letters() if self.window else none
        numbers = self.window.numbers(self.group) if self.window else none
        symbols = self._written([{**axis, "n": "n"} for axis in letters], {})
        here = self._written([{**axis, **self.own_indices} for axis in numbers], self.own_indices)
        terms = tuple(term for part in self.parts for term in self._terms(part, numbers))
        return Derivation(definitions.fill(self.entry["words"], self._facts()), symbols, here, terms)

    # ------------------------------------------------------------------ what is read

    def _read(self, factor: Parsed) -> int:
        return self.entry["reads"].index(factor["name"])

    def _is_read(self, factor: Parsed) -> bool:
        return self.ctx.reads(self._read(factor))

    def _indices(self, factor: Parsed) -> list[Any]:
        """Return the index of a factor, with one entry per axis of its tensor."""
        tensor = self.ctx.tensor(self._read(factor))
        index = self.index if self.is_elementwise else factor["index"]
        return index[: len(tensor.shape) + tensor.per_sample]

    def _letters(self, part: Parsed) -> list[str]:
        """Return the letters over which a part sums: those in its tensors' indices but not in the result's."""
        read_letters = {
            letter for factor in part["factors"] for index in self._indices(factor) for letter in letters_in(index)
        }
        return [letter for letter in part["over"] if letter in read_letters and letter not in self.own_indices]

    def _range(self, part: Parsed, letter: str) -> range:
        """Return the range of a letter: that of the axis that it indexes."""
        if letter in self.entry.get("within", ()) and self.window:
            return range(self.group * self.window.filters, (self.group + 1) * self.window.filters)
        for factor in part["factors"]:
            for axis, index in enumerate(self._indices(factor)):
                if index in (letter, f"{letter}'"):
                    return range(self.ctx.array(self._read(factor)).shape[axis])
        raise ValueError(f"no axis has the index {letter}")

    # ------------------------------------------------------------------ terms

    def _terms(self, part: Parsed, constants: list[dict[str, Index]]) -> Iterator[Term]:
        letters = self._letters(part)
        for values in product(*(self._range(part, letter) for letter in letters)):
            values_by_axis = [
                {"n": 0, **axis, **self.own_indices, **dict(zip(letters, values, strict=True))} for axis in constants
            ]
            yield Term.of(*(self._factor(factor, values_by_axis) for factor in part["factors"]))

    def _factor(self, factor: Parsed, values_by_axis: list[dict[str, Index]]) -> Factor:
        """Return the element that a factor refers to, or a zero for a position in the padding or between elements."""
        read = self._read(factor)
        shape = self.ctx.array(read).shape
        cell_index: list[int] = []
        for axis, index in enumerate(self._indices(factor)):
            value = evaluated(index, values_by_axis[_plane(axis, len(shape))])
            if not isinstance(value, int):
                return Factor(self.ctx.symbol_of(read), None, 0.0, "stride")
            cell_index.append(value)
        if factor["name"] == self.entry.get("framed") and self.window:
            cell_index[-2:] = [cell - before for cell, before in zip(cell_index[-2:], self.window.before, strict=True)]
        if factor["bar"] and not all(0 <= cell < size for cell, size in zip(cell_index, shape, strict=True)):
            return Factor(self.ctx.symbol_of(read), None, 0.0, "padding")
        return self.ctx.factor(read, tuple(cell_index))

    # ------------------------------------------------------------------ writing

    def _written(self, values_by_axis: list[dict[str, Index]], own: Mapping[str, int]) -> str:
        index = [letter for letter in self.index if letter in self.own_indices]
        left_side = self._reference(self.ctx.result, index, values_by_axis)
        summands: list[str] = []
        for part in self.parts:
            letters = [letter for letter in self._letters(part) if letter != "n" or self.ctx.samples > 1]
            factors = [
                self._reference(self._name(factor), self._indices(factor), values_by_axis) for factor in part["factors"]
            ]
            summands.append(sum_over(letters) + " · ".join(factors))
        return f"{left_side} = {' + '.join(summands)}"

    def _name(self, factor: Parsed) -> str:
        name = self.ctx.symbol_of(self._read(factor))
        extended = factor["name"] == self.entry.get("extended")
        return with_bar(name) if factor["bar"] and (extended or (self.window and self.window.padded)) else name

    def _reference(self, name: str, indices: list[Any], values_by_axis: list[dict[str, Index]]) -> str:
        """Return a tensor with its index as text. The sample index is omitted if there is only one sample."""
        axes = len(indices)
        texts = [evaluated(index, values_by_axis[_plane(axis, axes)]) for axis, index in enumerate(indices)]
        shown = [text for text, index in zip(texts, indices, strict=True) if index != "n" or self.ctx.samples > 1]
        return at(name, *(text for text in shown if text is not None))

    def _facts(self) -> dict[str, Any]:
        """Return the facts that sentences use."""
        ctx = self.ctx
        reads = self.entry["reads"]
        bias = reads.index("b") if "b" in reads else None
        has_bias = bias is not None and ctx.reads(bias)
        own_axes = len(ctx.shape)
        untied = has_bias and bias is not None and ctx.array(bias).ndim == own_axes
        facts: dict[str, Any] = {
            "layer": ctx.layer,
            "x": ctx.symbol_of(0),
            "batch": ctx.samples > 1,
            "gradient": is_gradient(ctx.operation.writes[ctx.place]),
            "bias": has_bias,
            "untied": untied,
            "tied": not untied,
            "transposed": (ctx.symbol_of(0) == "x") == ctx.operation.name.endswith("_dx"),
            "everywhere": any(self._letters(part) not in ([], ["n"]) for part in self.parts),
            **self.own_indices,
        }
        return {**facts, **(self.window.facts() if self.window else {})}


def is_gradient(tensor: Tensor) -> bool:
    """Return whether a name denotes a gradient or a part of one: relu1.dy, relu1.dy_conv2."""
    return tensor.name.rpartition(".")[2].startswith("d")


def letters_in(index: Any) -> Iterator[str]:
    """Yield the letters in an index, with u for u'."""
    if isinstance(index, list):
        _, first, second = cast("list[Any]", index)
        yield from (*letters_in(first), *letters_in(second))
    elif isinstance(index, str):
        yield index.removesuffix("'")


def _plane(axis: int, axes: int) -> int:
    """Return which window constants apply to an axis: 1 (columns) for the last axis, 0 (rows) for all others."""
    return 1 if axis == axes - 1 else 0


def evaluated(index: Any, values: Values) -> Index | None:
    """Evaluate an index for given values of its letters. Return None if the result is a fraction."""
    if isinstance(index, list):
        operator, left_operand, right_operand = cast("list[Any]", index)
        first, second = evaluated(left_operand, values), evaluated(right_operand, values)
        if first is None or second is None:
            return None
        if operator == "/" and isinstance(first, int) and isinstance(second, int):
            return None if first % second else first // second
        return OPERATORS[operator](first, second)
    if isinstance(index, str) and index.endswith("'"):
        tap = values.get(index[:-1], index[:-1])
        return minus(values["last"], tap) if "last" in values else tap
    return values.get(index, index) if isinstance(index, str) else index


def _pair(sizes: Sequence[int]) -> Pair:
    rows, columns = sizes
    return rows, columns
