"""Random chains of operators of ONNX that move, reduce, or touch the batch axis, as models."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import numpy as np
from interop.onnx_models import Array, made, theirs
from onnx import helper

OPSETS = (7, 9, 10, 11, 12, 13, 18, 21)
OPEN = 0  # batch size of a model that leaves it open
ENDS = (-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 2**31 - 1, 2**63 - 1)


class Chain(NamedTuple):
    """A model, the sizes of its input, and what its nodes are."""

    model: bytes
    batch: int
    sample: tuple[int, ...]
    nodes: list[Any]


class Draft:
    """A chain in the making.

    shape   of the value that the next node reads, for the batch size that is drawn with
    """

    def __init__(self, random: Random) -> None:
        self.random, self.opset = random, random.choice(OPSETS)
        self.batch = random.choice((1, 1, 3, OPEN, OPEN))
        self.sample = tuple(random.choice((1, 1, 2, 3, 4)) for _ in range(random.randint(1, 3)))
        self.shape: tuple[int, ...] = (self.batch or random.choice((1, 2)), *self.sample)
        self.drawn_for = self.shape[0]
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.last = "x"

    @property
    def rank(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    def axis(self) -> int:
        """Return a random axis."""
        return self.random.randint(-self.rank, self.rank - 1) if self.opset > 10 else self.random.randrange(self.rank)

    def normal(self, *shape: int) -> Array:
        """Return random numbers."""
        return np.random.default_rng(self.random.getrandbits(32)).standard_normal(shape).astype(np.float32)

    def constant(self, value: Any) -> str:
        """Return the name of a new constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def node(self, operator: str, *inputs: Any, outputs: int = 1, take: int = 0, **attributes: Any) -> None:
        """Add a node that reads the last value and then constants, or values by name."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        results = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(operator, [self.last, *names], results, **attributes))
        self.last = results[take]

    def listed(self, operator: str, name: str, values: list[int], since: int, **attributes: Any) -> None:
        """Add a node with a list that is an input since an opset, and was an attribute before."""
        if self.opset >= since:
            self.node(operator, np.array(values, np.int64), **attributes)
        else:
            self.node(operator, **{name: values}, **attributes)

    def model(self) -> bytes:
        """Return the model."""
        end = helper.make_node("Identity", [self.last], ["y"])
        shape = (self.batch or "n", *self.sample)
        return made([helper.make_node("Tanh", ["x"], ["t"]), *self.nodes, end], self.constants, shape, self.opset)

    def try_node(self, add: Callable[["Draft"], None]) -> None:
        """Add what a function adds, unless ONNX Runtime does not run it."""
        before = (self.last, [*self.nodes], dict(self.constants))
        self.last = "t" if self.last == "x" else self.last
        add(self)
        try:
            shape = theirs(self.model(), self.normal(self.drawn_for, *self.sample)).shape
        except Exception:  # of several classes without a common base
            shape = ()
        if not shape or 0 in shape or max(shape) > 64 or len(shape) > 6:
            self.last, self.nodes, self.constants = before
        else:
            self.shape = shape


def squeeze(draft: Draft) -> None:
    """Remove axes of size 1, all of them or some."""
    ones = [axis for axis, size in enumerate(draft.shape) if size == 1]
    if not ones or draft.random.random() < 0.5:
        draft.node("Squeeze")
    else:
        draft.listed("Squeeze", "axes", draft.random.sample(ones, draft.random.randint(1, len(ones))), 13)


def unsqueeze(draft: Draft) -> None:
    """Add an axis."""
    draft.listed("Unsqueeze", "axes", [draft.random.randint(0, draft.rank)], 13)


def softmax(draft: Draft) -> None:
    """Softmax along an axis, or along the default."""
    if draft.random.random() < 0.2:
        draft.node("Softmax")
    else:
        draft.node("Softmax", axis=draft.axis())


def layer_normalization(draft: Draft) -> None:
    """Normalize the axes from one on."""
    axis = draft.random.randrange(draft.rank)
    draft.node("LayerNormalization", draft.normal(*draft.shape[axis:]), axis=axis, epsilon=0.1)


def concat(draft: Draft) -> None:
    """Put a value after itself."""
    draft.node("Concat", draft.last, axis=draft.axis())


def reduce(draft: Draft) -> None:
    """Reduce axes, or all of them."""
    names = ("Mean", "Max", "Min", "Sum", "Sum", "L1", "L2", "SumSquare", "LogSumExp", "Prod")
    operator = f"Reduce{draft.random.choice(names)}"
    axes = draft.random.sample(range(draft.rank), draft.random.randint(1, min(2, draft.rank)))
    if draft.opset > 10 and draft.random.random() < 0.3:
        axes = [axis - draft.rank for axis in axes]
    keep = draft.random.randint(0, 1)
    if draft.random.random() < 0.1:
        draft.node(operator, keepdims=keep)
    else:
        draft.listed(operator, "axes", axes, 13 if operator == "ReduceSum" else 18, keepdims=keep)


def slice_axis(draft: Draft) -> None:
    """Cut a part of an axis, with ends as exporters write them."""
    start, end, axis = draft.random.choice(ENDS), draft.random.choice(ENDS), draft.axis()
    if draft.opset < 10:
        draft.node("Slice", starts=[start], ends=[end], axes=[axis])
    else:
        step = draft.random.choice((1, 1, 1, 2, -1))
        draft.node("Slice", *(np.array([each], np.int64) for each in (start, end, axis, step)))


def gather(draft: Draft) -> None:
    """Take entries of an axis."""
    axis = draft.axis()
    size = draft.shape[axis]
    entry = draft.random.randint(-size, size - 1)
    draft.node("Gather", np.array(draft.random.choice((entry, [entry], [*range(size)]))), axis=axis)


def gather_parts(draft: Draft) -> None:
    """Take parts of the first axis, after a permutation that may put channels there, and permute back."""
    order = draft.random.sample(range(draft.rank), draft.rank)
    size = draft.shape[order[0]]
    draft.node("Transpose", perm=order)
    draft.node("GatherND", np.array([[draft.random.randrange(size)] for _ in range(size)]))
    draft.node("Transpose", perm=np.argsort(order).tolist())


def split(draft: Draft) -> None:
    """Split an axis into two parts."""
    axis = draft.axis()
    first = draft.random.randint(1, max(draft.shape[axis] - 1, 1))
    sizes = [first, draft.shape[axis] - first] if first < draft.shape[axis] else [first]
    take = draft.random.randrange(len(sizes))
    draft.listed("Split", "split", sizes, 13, axis=axis, outputs=len(sizes), take=take)


def transpose(draft: Draft) -> None:
    """Permute the axes; often the first stays."""
    order = draft.random.sample(range(draft.rank), draft.rank)
    if draft.random.random() < 0.5:
        order = [0, *(axis for axis in order if axis)]
    draft.node("Transpose", perm=order)


def flatten(draft: Draft) -> None:
    """Flatten from an axis on."""
    draft.node("Flatten", axis=draft.random.randint(0, draft.rank))


def reshape(draft: Draft) -> None:
    """Put the sizes into another order, merge two of them, or add 1; some are stated as 0 or −1."""
    sizes = [*draft.shape]
    kind = draft.random.randrange(4)
    if kind == 0:
        draft.random.shuffle(sizes)
    elif kind == 1 and len(sizes) > 1:
        place = draft.random.randrange(len(sizes) - 1)
        sizes[place : place + 2] = [sizes[place] * sizes[place + 1]]
    elif kind == 2:
        sizes.insert(draft.random.randint(0, len(sizes)), 1)
    if draft.random.random() < 0.3 and sizes[0] == draft.shape[0]:
        sizes[0] = 0
    if draft.random.random() < 0.5:
        sizes[draft.random.randrange(len(sizes))] = -1
    draft.node("Reshape", np.array(sizes, np.int64))


def reshape_by_shape(draft: Draft) -> None:
    """Reshape to the size of an axis and what is left, as exporters write `x.view(x.shape[axis], -1)`."""
    value, place = draft.last, draft.random.randrange(draft.rank)
    draft.node("Shape")
    draft.node("Gather", np.array([place]), axis=0)
    size = draft.last
    draft.node("Concat", np.array([-1], np.int64), axis=0)
    target, draft.last = draft.last, value
    if draft.random.random() < 0.3:
        draft.node("Expand", size) if draft.random.random() < 0.5 else draft.node("Slice", "zero", size, "zero")
        draft.constants["zero"] = np.array([0])
    else:
        draft.node("Reshape", target)


def with_constant(draft: Draft) -> None:
    """Add, multiply or bound by a constant that is repeated along some axes, or has more axes."""
    sizes = [draft.random.choice((1, size)) for size in draft.shape][draft.random.randint(0, draft.rank) :]
    if draft.random.random() < 0.1:
        sizes = [draft.random.choice((1, 3))] * (draft.rank + 1 - len(sizes)) + sizes
    operator = draft.random.choice(("Add", "Mul", "Sub", "Div", "Max", "Min", "PRelu", "Pow"))
    value = np.full(sizes, 2, np.float32) if operator == "Pow" else draft.normal(*sizes)
    if draft.random.random() < 0.3:
        value = np.full(value.shape, value.reshape(-1)[0])
    draft.node(operator, value + np.sign(value) if operator == "Div" else value)
    if operator != "PRelu" and draft.random.random() < 0.3:
        draft.nodes[-1].input.reverse()


def with_itself(draft: Draft) -> None:
    """Join a value and what a node makes of it: other axes, or other sizes."""
    before = draft.last
    draft.random.choice((squeeze, unsqueeze, reduce, transpose, flatten, softmax))(draft)
    draft.node(draft.random.choice(("Add", "Mul", "Sub", "Sum", "Mean")), before)


def matmul(draft: Draft) -> None:
    """Multiply by a matrix, with or without a bias after it."""
    draft.node("MatMul", draft.normal(draft.shape[-1], draft.random.choice((2, 3))))
    if draft.random.random() < 0.5:
        draft.node("Add", draft.normal(*draft.random.choice(((1,), (1, 1), (1, 1, 1)))))


def gemm(draft: Draft) -> None:
    """Multiply matrices, either of them transposed."""
    turned = draft.random.choice((0, 0, 1))
    rows = draft.shape[0] if turned else draft.shape[-1]
    draft.node("Gemm", draft.normal(rows, 3), draft.normal(*draft.random.choice(((3,), (1, 3)))), transA=turned)


def image_operator(draft: Draft) -> None:
    """Apply an operator whose first two axes are samples and channels."""
    channels, positions = draft.shape[1 % draft.rank], max(draft.rank - 2, 1)
    statistics = [abs(draft.normal(channels)) + 0.5 for _ in range(4)]
    choices: tuple[Callable[[], None], ...] = (
        lambda: draft.node("Conv", draft.normal(2, channels, *[1] * positions)),
        lambda: draft.node("MaxPool", kernel_shape=[1] * positions),
        lambda: draft.node("AveragePool", kernel_shape=[1] * positions, pads=[0] * 2 * positions),
        lambda: draft.node(draft.random.choice(("GlobalAveragePool", "GlobalMaxPool"))),
        lambda: draft.node("GlobalLpPool", p=draft.random.choice((1, 2))),
        lambda: draft.node("BatchNormalization", *statistics),
        lambda: draft.node("InstanceNormalization", *statistics[:2], epsilon=0.1),
        lambda: draft.node("LRN", size=3, alpha=0.5),
        lambda: draft.node("DepthToSpace", blocksize=1),
    )
    draft.random.choice(choices)()


def enlarged(draft: Draft) -> None:
    """Pad, repeat, tile or enlarge, along any axis."""
    amounts = [draft.random.choice((0, 0, 0, 1)) for _ in range(2 * draft.rank)]
    mode = draft.random.choice(("constant", "edge"))
    kind = draft.random.randrange(4)
    if kind == 0:
        draft.listed("Pad", "pads", amounts, 11, mode=mode)
    elif kind == 1:
        draft.node("Tile", np.array([1 + amount for amount in amounts[: draft.rank]], np.int64))
    elif kind == 2:
        sizes = [3 if size == 1 and amount else size for size, amount in zip(draft.shape, amounts, strict=False)]
        draft.node("Expand", np.array([1] * draft.random.randint(0, 1) + sizes, np.int64))
    elif draft.opset >= 11:
        draft.node("Resize", "", np.array([1.0 + amount for amount in amounts[: draft.rank]], np.float32))


def other(draft: Draft) -> None:
    """Apply an operator that keeps the axes, or one that has no layer."""
    names = (
        "Relu",
        "Identity",
        "Neg",
        "Dropout",
        "CumSum",
        "ArgMax",
        "Gelu",
        "Clip",
        "Abs",
        "Sign",
        "Softplus",
        "Round",
    )
    operator = draft.random.choice(names)
    if operator == "Clip" and draft.opset < 11:
        draft.node("Clip", min=-0.3, max=0.4)
    elif operator == "Clip":
        draft.node("Clip", np.float32(-0.3))
    elif operator == "CumSum":
        draft.node("CumSum", np.array(draft.axis()))
    elif operator == "ArgMax":
        draft.node("ArgMax", axis=draft.axis())
        draft.node("Cast", to=1)
    else:
        draft.node(operator)


MOVING = (
    gather_parts,
    squeeze,
    squeeze,
    unsqueeze,
    softmax,
    softmax,
    layer_normalization,
    concat,
    reduce,
    slice_axis,
    gather,
    split,
)
COMPUTING = (reshape_by_shape, with_constant, with_itself, matmul, gemm, image_operator, enlarged, other)
NODES = (*MOVING, transpose, flatten, reshape, *COMPUTING)


def chain(random: Random) -> Chain:
    """Return a chain of one to four drawn nodes that ONNX Runtime runs."""
    draft = Draft(random)
    for _ in range(random.randint(1, 4)):
        draft.try_node(random.choice(NODES))
    return Chain(draft.model(), draft.batch, draft.sample, draft.nodes)
