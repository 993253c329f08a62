"""Random chains of operators of ONNX that move, reduce, or touch the batch axis, as models."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import numpy as np
import onnx
from interop.onnx_models import Array, made, theirs
from onnx import helper

OPSETS = (9, 10, 11, 12, 13, 18, 21)
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
        self.sample = tuple(random.choice((1, 1, 2, 3, 4, 7)) for _ in range(random.choice((1, 2, 3, 3))))
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
        array = np.asarray(value)
        self.constants[name] = array.astype(np.float32) if array.dtype == np.float64 else array
        return name

    def node(self, operator: str, *inputs: Any, outputs: int = 1, take: int = 0, **attributes: Any) -> None:
        """Add a node that reads the last value and then constants, or values by name."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        results = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(operator, [self.last, *names], results, **attributes))
        self.last = results[take]

    def draw(self, operator: str) -> None:
        """Add an operator whose further inputs and attributes are drawn by their names in the operator's schema."""
        schema, values = onnx.defs.get_schema(operator, self.opset), drawn_values(self, operator)
        inputs: list[Any] = []
        for parameter in [*schema.inputs][1:]:
            is_drawn = parameter.name in values and self.random.random() < 0.7
            inputs.append(values[parameter.name] if is_drawn or parameter.option.name == "Single" else "")
        while inputs and isinstance(inputs[-1], str) and not inputs[-1]:
            inputs.pop()
        if next(iter(schema.inputs)).option.name == "Variadic":
            inputs = [self.random.choice((self.last, values["B"]))]
        attributes = {
            name: values[name]
            for name, attribute in schema.attributes.items()
            if name in values and (attribute.required or name == "epsilon" or self.random.random() < 0.6)
        }
        count = len(values["split"]) if operator == "Split" else 1
        self.node(operator, *inputs, outputs=count, take=self.random.randrange(count), **attributes)
        if operator in SWAPPED and self.random.random() < 0.3:
            self.nodes[-1].input.reverse()

    def model(self) -> bytes:
        """Return the model."""
        end = helper.make_node("Identity", [self.last], ["y"])
        shape = (self.batch or "n", *self.sample)
        return made([helper.make_node("Tanh", ["x"], ["t"]), *self.nodes, end], self.constants, shape, self.opset)

    def try_node(self, add: Callable[["Draft"], None]) -> bool:
        """Add what a function adds, unless ONNX Runtime does not run it; return whether it does."""
        before = (self.last, [*self.nodes], dict(self.constants))
        self.last = "t" if self.last == "x" else self.last
        try:
            add(self)
            shape = theirs(self.model(), self.normal(self.drawn_for, *self.sample)).shape
        except Exception:  # of several classes without a common base
            shape = ()
        if not shape or 0 in shape or max(shape) > 64 or len(shape) > 6:
            self.last, self.nodes, self.constants = before
            return False
        self.shape = shape
        return True


def drawn_values(draft: Draft, operator: str) -> dict[str, Any]:
    """Return a value for every input and attribute of an operator by its name, of which many fit a value's shape."""
    random, shape, rank, axis = draft.random, draft.shape, draft.rank, draft.axis()
    size, channels, positions = shape[axis], shape[1 % rank], max(rank - 2, 1)
    entry, first = random.randint(-size, size - 1), random.randint(1, max(size - 1, 1))
    axes = random.sample(range(rank), random.randint(1, min(2, rank)))
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    amounts = [random.choice((0, 0, 1)) for _ in range(2 * rank)]
    if random.random() < 0.8:  # samples and channels keep their number
        amounts[0], amounts[rank] = 0, 0
    repeated = [random.choice((1, size)) for size in shape][random.randint(0, rank) :]
    repeated = [random.choice((1, 3))] * (rank + 1 - len(repeated)) + repeated if random.random() < 0.1 else repeated
    constant, statistics = draft.normal(*repeated), draft.normal(channels)
    constant = random.choice((constant, np.full_like(constant, constant.flat[0])))
    mode = random.choice(("constant", "edge", "reflect"))
    order, kernel = random.sample(range(rank), rank), [random.choice((1, 1, 2))] * positions
    values: dict[str, Any] = {name: [random.choice(ENDS)] for name in ("starts", "ends")}
    values |= {"axis": axis, "axes": axes, "keepdims": random.randint(0, 1), "perm": order}
    values |= {"indices": random.choice((entry, [entry], [*range(size)])), "shape": target(random, shape)}
    values |= {"split": [first, size - first][: size - first + 1], "steps": [random.choice((1, 1, 1, 2, -1))]}
    values |= {"B": constant, "slope": constant, "Y": 2.0, "exponent": 2.0, "C": 0.5, "min": -0.3, "max": 0.4}
    values |= {"pads": amounts, "repeats": [1 + each for each in amounts[:rank]], "constant_value": 1.25, "mode": mode}
    values |= {"kernel_shape": kernel, "Scale": draft.normal(*shape[axis:])}
    values |= {"W": draft.normal(2, channels, *kernel), "epsilon": 0.1, "p": random.choice((1, 2)), "size": 3}
    values |= {"scale": statistics, "mean": statistics[::-1], "var": 0.5 + abs(statistics), "alpha": 0.5}
    values |= {"input_mean": statistics[::-1], "input_var": 0.5 + abs(statistics), "blocksize": 1}
    values |= {"transA": random.choice((0, 0, 1)), "transB": 0}
    of_operator = {
        "Squeeze": {"axes": random.sample(ones, random.randint(1, len(ones)))} if ones else {},
        "Slice": {"axes": [axis]},
        "Transpose": {"perm": random.choice((order, [0, *(axis for axis in order if axis)]))},
        "Expand": {"shape": [1] * random.randint(0, 1) + [3 if size == 1 else size for size in shape]},
        "Gemm": {"B": draft.normal(shape[random.choice((0, -1))], 3), "C": draft.normal(3), "alpha": 1.0},
        "BatchNormalization": {"B": statistics},
        "InstanceNormalization": {"B": statistics},
        "MatMul": {"B": draft.normal(shape[-1], random.choice((2, 3)))},
        "Conv": {"B": draft.normal(2), "pads": [random.choice((0, 1))] * 2 * positions},
        "LayerNormalization": {"B": values["Scale"]},
        "Div": {"B": constant + np.sign(constant)},
    }
    return values | of_operator.get(operator, {})


def target(random: Random, shape: tuple[int, ...]) -> list[int]:
    """Put the sizes into another order, merge two of them, or add 1; some are stated as 0 or −1."""
    sizes, kind = [*shape], random.randrange(4)
    if kind == 0:
        random.shuffle(sizes)
    elif kind == 1 and len(sizes) > 1:
        place = random.randrange(len(sizes) - 1)
        sizes[place : place + 2] = [sizes[place] * sizes[place + 1]]
    elif kind == 2:
        sizes.insert(random.randint(0, len(sizes)), 1)
    if random.random() < 0.3 and sizes[0] == shape[0]:
        sizes[0] = 0
    if random.random() < 0.5:
        sizes[random.randrange(len(sizes))] = -1
    return sizes


def reshape_by_shape(draft: Draft) -> None:
    """Reshape to the size of an axis and what is left, as exporters write `x.view(x.shape[axis], -1)`."""
    value, place = draft.last, draft.random.randrange(draft.rank)
    draft.node("Shape")
    draft.node("Gather", [place], axis=0)
    size = draft.last
    draft.node("Concat", [-1], axis=0)
    shape, draft.last = draft.last, value
    inputs = draft.random.choice((("Reshape", shape), ("Reshape", shape), ("Expand", size), ("Slice", [0], size, [0])))
    draft.node(*inputs)


def with_itself(draft: Draft) -> None:
    """Join a value and what a node makes of it: other axes, or other sizes."""
    before = draft.last
    draft.draw(draft.random.choice(("Squeeze", "Unsqueeze", "ReduceMean", "Transpose", "Flatten", "Softmax")))
    draft.node(draft.random.choice(("Add", "Mul", "Sub", "Sum")), before)


def with_bias(draft: Draft) -> None:
    """Multiply by a matrix, and add a constant."""
    draft.draw("MatMul")
    draft.node("Add", draft.normal(*draft.random.choice(((1,), (1, 1), (1, 1, 1)))))


def with_folded(draft: Draft) -> None:
    """Multiply by what an operator computes of a constant."""
    value, draft.last = draft.last, draft.constant(draft.normal(*draft.shape))
    draft.draw(draft.random.choice((*OPERATORS, "Erf")))
    draft.node("Mul", value)


TRIES = 8  # for values that fit an operator
SWAPPED = ("Add", "Mul", "Sub", "Div", "Max", "Min", "Pow", "Concat")
REDUCTIONS = ("Mean", "Max", "Min", "Sum", "L1", "L2", "SumSquare")
OPERATORS = (
    *("Squeeze", "Unsqueeze", "Softmax", "LayerNormalization", "Concat", *["Slice"] * 4, "Gather", "Pad", "Pad"),
    *("Split", "Transpose", "Flatten", "Reshape", *SWAPPED, "PRelu", "MatMul", "Gemm", "Pad", "Tile", "Expand"),
    *("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
    *("BatchNormalization", "InstanceNormalization", "LRN", "DepthToSpace", "Relu", "Identity", "Neg", "Dropout"),
    *("Gelu", "Clip", "Abs", "Sign", "Softplus", "Round", *(f"Reduce{kind}" for kind in REDUCTIONS)),
)
COMPOSED = (reshape_by_shape, with_itself, with_bias, with_folded)


def chain(random: Random) -> Chain:
    """Return a chain of one to four drawn nodes that ONNX Runtime runs."""
    draft = Draft(random)
    for _ in range(random.randint(1, 4)):
        name = random.choice(OPERATORS)
        is_composed = random.random() < 0.25
        add = random.choice(COMPOSED) if is_composed else lambda draft, name=name: draft.draw(name)
        any(draft.try_node(add) for _ in range(TRIES))
    return Chain(draft.model(), draft.batch, draft.sample, draft.nodes)
