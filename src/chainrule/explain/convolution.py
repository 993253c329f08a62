"""Cross-correlation and its gradients, explained. Equations: reference/convolution.py."""

from collections.abc import Iterator
from dataclasses import dataclass

from chainrule.explain.notation import Index, at, barred, minus, over, plus, summed, times
from chainrule.explain.record import Factor, Made, Term
from chainrule.explain.site import Site

Cell = tuple[int, int]


@dataclass(frozen=True)
class Axis:
    """One axis of the window: its numbers, and the letters for those that are not trivial.

    size    cells of the picture
    window  taps
    """

    size: int
    window: int
    stride: int
    before: int
    dilation: int
    flip: bool
    output: int
    letters: tuple[str, str, str] = ("i", "u", "p")

    def cell(self, i: int, u: int) -> int:
        """The cell under tap u of the window at position i; outside the picture on padding."""
        return self.stride * i + self.dilation * u - self.before

    def position(self, h: int, u: int) -> tuple[int | None, str]:
        """The position at which tap u lies on cell h, or why there is none."""
        i, rest = divmod(h + self.before - self.dilation * u, self.stride)
        if rest:
            return None, "stride"
        return (i, "") if 0 <= i < self.output else (None, "padding")

    def turned(self, u: int) -> int:
        """The entry of the kernel at a tap: the opposite one where it is flipped."""
        return self.window - 1 - u if self.flip else u

    def written_cell(self, i: Index, u: Index, *, numbers: bool) -> Index:
        """s·i + d·u, from the edge of the padding."""
        stride, dilation = (self.stride, self.dilation) if numbers else self._named()
        return plus(times(stride, i), times(dilation, u))

    def written_position(self, h: Index, u: Index, *, numbers: bool) -> Index:
        """(h+p−d·u)/s."""
        stride, dilation = (self.stride, self.dilation) if numbers else self._named()
        before: Index = self.before if numbers or not self.before else self.letters[2]
        return over(minus(plus(h, before), times(dilation, u)), stride)

    def written_turned(self, u: Index, *, numbers: bool) -> Index:
        """u, or KH−1−u."""
        if not self.flip:
            return u
        return minus(self.window - 1 if numbers else f"K{'H' if self.letters[1] == 'u' else 'W'}−1", u)

    def _named(self) -> tuple[Index, Index]:
        return ("s" if self.stride > 1 else 1, "d" if self.dilation > 1 else 1)


@dataclass(frozen=True)
class Sliding:
    """Rows, columns and groups of an operation."""

    rows: Axis
    columns: Axis
    groups: int
    filters: int
    channels: int  # of a group

    @staticmethod
    def of(site: Site, size: Cell, kernel: tuple[int, ...], output: Cell) -> "Sliding":
        """The window of a site; kernel is the shape of w."""
        given = site.arguments
        axes = [
            Axis(size[k], kernel[2 + k], given["stride"][k], given["padding"][k][0], given["dilation"][k],
                 given["flip"], output[k], letters)
            for k, letters in enumerate((("i", "u", "p"), ("j", "v", "q")))
        ]  # fmt: skip
        return Sliding(axes[0], axes[1], given["groups"], kernel[0] // given["groups"], kernel[1])

    def taps(self) -> Iterator[Cell]:
        """All taps of the kernel, row by row."""
        for u in range(self.rows.window):
            for v in range(self.columns.window):
                yield u, v

    @property
    def padded(self) -> bool:
        """Whether the window reaches over an edge of the picture."""
        ends = ((axis.before, axis.cell(axis.output - 1, axis.window - 1) >= axis.size) for axis in self._axes)
        return any(before > 0 or beyond for before, beyond in ends)

    @property
    def _axes(self) -> tuple[Axis, Axis]:
        return self.rows, self.columns

    def first_channel(self, o: int) -> int:
        """The first channel that filter o reads."""
        return o // self.filters * self.channels


def cross_correlate(site: Site) -> Made:
    """y[o,i,j] = b[o] + Σ_{c,u,v} x̄[c, s·i + d·u, s·j + d·v] · w[o,c,u,v]"""
    x, w = site.array(0), site.array(1)
    n, (o, i, j) = site.sample, site.own
    slide = Sliding.of(site, x.shape[2:], w.shape, site.size)
    first = slide.first_channel(o)
    terms = [Term.of(site.factor(2, (o, i, j) if site.array(2).ndim == 3 else (o,)))] if site.reads(2) else []
    for c in range(slide.channels):
        for u, v in slide.taps():
            h, k = slide.rows.cell(i, u), slide.columns.cell(j, v)
            weight = site.factor(1, (o, c, slide.rows.turned(u), slide.columns.turned(v)))
            terms.append(Term.of(_on_picture(site, 0, slide, (n, first + c, h, k)), weight))
    words = _laid_words(site, slide) + _note(slide, site.called(0))
    return Made(words, *_output_equations(site, slide), tuple(terms))


def cross_correlate_dx(site: Site) -> Made:
    """dx[c,h,k] = Σ_{o,u,v} dȳ[o, (h+p−d·u)/s, (k+q−d·v)/s] · w[o,c,u,v]"""
    dy, w = site.array(0), site.array(1)
    n, (a, h, k) = site.sample, site.own
    slide = Sliding.of(site, site.size, w.shape, dy.shape[2:])
    group, c = divmod(a, slide.channels)
    terms: list[Term] = []
    for o in range(group * slide.filters, (group + 1) * slide.filters):
        for u, v in slide.taps():
            weight = site.factor(1, (o, c, slide.rows.turned(u), slide.columns.turned(v)))
            terms.append(Term.of(_sent(site, slide, (n, o, h, k), (u, v)), weight))
    words = _spread_words(site) + _group_note(slide)
    return Made(words, *_input_equations(site, slide), tuple(terms))


def cross_correlate_dw(site: Site) -> Made:
    """dw[o,c,u,v] = Σ_{i,j} dy[o,i,j] · x̄[c, s·i + d·u, s·j + d·v]"""
    x, dy = site.array(0), site.array(1)
    o, c, u, v = site.own
    kernel = (dy.shape[1], x.shape[1] // site.arguments["groups"], *site.size)
    slide = Sliding.of(site, x.shape[2:], kernel, dy.shape[2:])
    channel = slide.first_channel(o) + c
    u, v = slide.rows.turned(u), slide.columns.turned(v)
    terms = [
        Term.of(
            site.factor(1, (n, o, i, j)),
            _on_picture(site, 0, slide, (n, channel, slide.rows.cell(i, u), slide.columns.cell(j, v))),
        )
        for n in range(site.samples)
        for i in range(dy.shape[2])
        for j in range(dy.shape[3])
    ]
    return Made(_kernel_words(site) + _note(slide, site.called(0)), *_kernel_equations(site, slide), tuple(terms))


# -------------------------------------------------------------------------------------------------- factors


def _on_picture(site: Site, read: int, slide: Sliding, cell: tuple[int, int, int, int]) -> Factor:
    """A number of the input, or the zero that padding is."""
    _, _, h, k = cell
    if 0 <= h < slide.rows.size and 0 <= k < slide.columns.size:
        return site.factor(read, cell)
    return Factor(site.called(read), None, 0.0, "padding")


def _sent(site: Site, slide: Sliding, cell: tuple[int, int, int, int], tap: Cell) -> Factor:
    """What the output at which a tap lay on a cell sends back, or the zero where there is no such output."""
    n, o, h, k = cell
    (i, why_i), (j, why_j) = slide.rows.position(h, tap[0]), slide.columns.position(k, tap[1])
    if i is None or j is None:
        return Factor(site.called(0), None, 0.0, "stride" if "stride" in (why_i, why_j) else "padding")
    return site.factor(0, (n, o, i, j))


# -------------------------------------------------------------------------------------------------- words


def _patch(slide: Sliding) -> str:
    """a patch of 5×5 numbers in each of 8 channels"""
    channels = f" in each of {slide.channels} channels" if slide.channels > 1 else ""
    return f"a patch of {slide.rows.window}×{slide.columns.window} numbers{channels}"


def _note(slide: Sliding, x: str) -> str:
    zeros = f" {barred(x)} is {x} with zeros around it." if slide.padded else ""
    return zeros + _group_note(slide)


def _group_note(slide: Sliding) -> str:
    if slide.groups == 1:
        return ""
    return (
        f" Channels and filters are dealt into {slide.groups} groups: {slide.filters} filters see {slide.channels} "
        "channels, from c₀ on."
    )


def _untied(site: Site) -> bool:
    return site.array(2).ndim == 3


def _laid_words(site: Site, slide: Sliding) -> str:
    if site.called(0) != "x":  # the input gradient of a transposed convolution
        return (
            f"This number was spread over {_patch(slide)} of the output of {site.layer}: what comes back is the "
            "gradient of each, times the weight it went through."
        )
    words = (
        f"Kernel {site.own[0]} of {site.layer} is laid on its input, where it covers {_patch(slide)}: every number "
        "under it times the weight on top of it, all added up"
    )
    if not site.reads(2):
        return f"{words}."
    return f"{words}; then the bias of {'this position' if _untied(site) else 'this kernel'} is added."


def _spread_words(site: Site) -> str:
    if site.called(0) == "x":  # a transposed convolution runs this forward
        return (
            f"Every input of {site.layer} is spread over its output through the kernel; here meet those that reach "
            "this cell, each times the weight it comes through."
        )
    return (
        f"Every output of {site.layer} that saw this number sends its gradient back through the weight it saw it with; "
        f"here these products meet. {barred(site.called(0))} is {site.called(0)} with zeros where there is no output."
    )


def _kernel_words(site: Site) -> str:
    return (
        "This weight is used at every position of the kernel. At each of them a change of the weight moves the output "
        "by the input under it, and the loss by that times the gradient of the output: all positions are added up."
    )


# -------------------------------------------------------------------------------------------------- equations


def _output_equations(site: Site, slide: Sliding) -> tuple[str, str]:
    """Of y, in letters and with the numbers of this cell."""
    y, x, w = site.result, site.called(0), site.called(1)
    x = barred(x) if slide.padded else x
    written: list[str] = []
    for numbers, (o, i, j), sample in ((False, ("o", "i", "j"), "n"), (True, site.own, site.sample)):
        h = slide.rows.written_cell(i, "u", numbers=numbers)
        k = slide.columns.written_cell(j, "v", numbers=numbers)
        c = _channel(slide, slide.first_channel(int(o)) if numbers else None)
        u, v = slide.rows.written_turned("u", numbers=numbers), slide.columns.written_turned("v", numbers=numbers)
        bias = f"{at(site.called(2), o, *((i, j) if _untied(site) else ()))} + " if site.reads(2) else ""
        products = f"{site.bracket(x, c, h, k, sample=sample)} · {at(w, o, 'c', u, v)}"
        written.append(f"{site.bracket(y, o, i, j, sample=sample)} = {bias}{summed(('c', 'u', 'v'))}{products}")
    return written[0], written[1]


def _input_equations(site: Site, slide: Sliding) -> tuple[str, str]:
    dx, dy, w = site.result, barred(site.called(0)), site.called(1)
    written: list[str] = []
    for numbers, (a, h, k), sample in ((False, ("c", "h", "k"), "n"), (True, site.own, site.sample)):
        i = slide.rows.written_position(h, "u", numbers=numbers)
        j = slide.columns.written_position(k, "v", numbers=numbers)
        c: Index = int(a) % slide.channels if numbers else "c" if slide.groups == 1 else minus("c", "c₀")
        u, v = slide.rows.written_turned("u", numbers=numbers), slide.columns.written_turned("v", numbers=numbers)
        products = f"{site.bracket(dy, 'o', i, j, sample=sample)} · {at(w, 'o', c, u, v)}"
        written.append(f"{site.bracket(dx, a, h, k, sample=sample)} = {summed(('o', 'u', 'v'))}{products}")
    return written[0], written[1]


def _kernel_equations(site: Site, slide: Sliding) -> tuple[str, str]:
    dw, x, dy = site.result, site.called(0), site.called(1)
    x = barred(x) if slide.padded else x
    written: list[str] = []
    for numbers, (o, c, u, v) in ((False, ("o", "c", "u", "v")), (True, site.own)):
        tap = slide.rows.turned(u) if isinstance(u, int) else slide.rows.written_turned(u, numbers=False)
        along = slide.columns.turned(v) if isinstance(v, int) else slide.columns.written_turned(v, numbers=False)
        h = slide.rows.written_cell("i", _grouped(tap, slide.rows), numbers=numbers)
        k = slide.columns.written_cell("j", _grouped(along, slide.columns), numbers=numbers)
        channel = slide.first_channel(int(o)) + int(c) if numbers else _channel(slide, None)
        products = f"{site.bracket(dy, 'o' if not numbers else o, 'i', 'j')} · {site.bracket(x, channel, h, k)}"
        written.append(f"{at(dw, o, c, u, v)} = {site.over('i', 'j')}{products}")
    return written[0], written[1]


def _grouped(tap: Index, axis: Axis) -> Index:
    """The tap of a flipped kernel in parentheses where it is multiplied."""
    return f"({tap})" if isinstance(tap, str) and axis.flip and axis.dilation > 1 else tap


def _channel(slide: Sliding, first: int | None) -> Index:
    """c, or c₀+c where the channels are dealt into groups; ``first`` is c₀ once it is known."""
    if slide.groups == 1:
        return "c"
    return plus("c₀" if first is None else first, "c")
