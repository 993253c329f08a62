"""Division of the work of training among threads: of a batch into shares, and of the parameters into parts.

Each of several threads begins with half of its samples, goes on with half of the rest, and so on, until the rest is too
small to be halved; a thread that is done takes shares that others have not begun, which are small by then. So the
slowest thread no longer decides, be it interrupted or on a slower processor, and large shares read the weights of dense
layers less often.

The parameters are divided by rows: what makes one filter, or one output of a dense layer. Where threads share a layer
of one sample by its outputs, the same thread has the same rows in the forward pass, in both gradients and in the
update, so that the weights and their moments stay in its cache: fetching what another thread wrote takes longer than
computing with it. Where they share a batch, each reads all parameters, and a row is as long as a line of the cache;
only a gradient that is made for the whole batch keeps its rows.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.passes.steps import PlanStep, Sharing, StepPlan, tensors_of

MIN_THREADS = 3  # with several shares each: with two threads, more shares cost 1 to 2 % and gained nothing
MAX_SHARES = 5  # of the samples of each thread
MIN_SHARE = 2  # samples
MAX_GRADIENT_BYTES = 1 << 25  # of all shares
PARTS_OF_THREAD = 4  # of the parameters
MIN_PART = 1 << 12  # entries of a parameter that justify a part of its own
LINE = 16  # entries of float32 that fill a line of the cache


def most_shares(threads: int, gradient_bytes: int) -> int:
    """Return how many shares the samples of each thread may have; gradient_bytes: of the gradient of each share."""
    if threads < MIN_THREADS:
        return 1
    return max(1, min(MAX_SHARES, MAX_GRADIENT_BYTES // max(1, threads * gradient_bytes)))


def share_edges(count: int, threads: int, most: int, fewest: int) -> NDArray[np.int32]:
    """Return where the shares of a batch of `count` samples begin, in order, and its end: halves of what is left.

    most    shares of the samples of each thread
    fewest  samples of the smallest share, if each thread has that many
    """
    halvings = range(1, min(most, (count // threads // max(MIN_SHARE, fewest)).bit_length()))
    edges = [0]
    for thread in range(threads):
        first, last = (edge * count // threads for edge in (thread, thread + 1))
        edges += [*(last - ((last - first) >> times) for times in halvings), last]
    return np.array(edges, np.int32)


def parts(threads: int) -> int:
    """Return the number of parts into which the parameters are divided evenly."""
    return threads * (PARTS_OF_THREAD if threads >= MIN_THREADS else 1)


class ParameterPart(NamedTuple):
    """A part of the parameters, in their flat buffer: rows of equal width; the last may be shorter.

    outer  the operation that makes the gradient dy xᵀ of these rows, where the update does that instead
    whole  the operation that makes their gradient for the whole batch, where it is not made for each share and added up
    """

    first: int
    size: int
    width: int = LINE
    outer: PlanStep | None = None
    whole: PlanStep | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return -(-self.size // self.width)

    @property
    def share(self) -> str:
        """The expressions for the first entry of turn `k` of `parts` turns, and for the one after its last."""
        edges = [f"{k} * {self.rows} // parts * {self.width}" for k in ("k", "(k + 1)")]
        if self.size % self.width:
            edges = [f"min({self.size}, {edge})" for edge in edges]
        return ", ".join(f"{self.first} + {edge}" for edge in edges)


def parameter_count(plan: StepPlan, layout: Mapping[str, tuple[int, int]]) -> int:
    """Return the number of parameters of a plan, which reads all of them."""
    read = [each for each in tensors_of(plan.operations) if each.kind == "parameter"]
    return max((layout[each.storage][1] for each in read), default=0)


def parts_of(
    plan: StepPlan, layout: Mapping[str, tuple[int, int]], count: int, deferred: Iterable[PlanStep], *, by_rows: bool
) -> list[ParameterPart]:
    """Return the parts of the parameters, in their order; neighbours that need no distinction are one part.

    layout    name of a parameter → its range in the flat buffer
    deferred  operations that make gradients, which are left to the update
    by_rows   whether threads share layers, so that each should have the rows of its outputs
    """
    outer = {each.writes[0].differentiated: each for each in deferred}
    whole = {each.writes[0].differentiated: each for each in plan.backward if each.sharing is Sharing.ADDED_UP}
    written = tensors_of(plan.backward)
    rows = {each.differentiated: each.shape[0] for each in written if each.kind == "gradient" and each.shape}
    found, end = list[ParameterPart](), 0
    for first, last, name in sorted((*layout[each], each) for each in rows):
        size = last - first
        if name in outer or name in whole or (by_rows and size >= MIN_PART):
            own = ParameterPart(first, size, size // rows[name], outer.get(name), whole.get(name))
            found += [ParameterPart(end, first - end), own]
            end = last
    return [part for part in (*found, ParameterPart(end, count - end)) if part.size]
