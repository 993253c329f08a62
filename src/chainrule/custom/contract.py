"""Contracts: how a learner's code is called, as lines of text that are read and run without guessing.

    self = Conv2D(C, O, K)      how the object is made; letters are sizes: N, C, H, W, D inputs, O outputs, K, L kernel
    x: N,H,W,C                  axes of an array in the learner's code; 1 is an axis of length 1; without N: one sample
    self.params["W"] = w        where a parameter goes
    y = self.forward(x)         lines up to that of y are forward, and y is judged by them alone
    dx = self.backward(dy)      the other lines are backward
    dw = self.grads["W"]        where a gradient is
    test: self.eval()           a line for one mode; `train` is True or False, and `mode` is "train" or "test"
    t: N                        targets of a loss are class numbers: y, dp = loss(p, t)
    w = self.update(w, dw)      an optimizer; its options have this library's names: learning_rate, momentum, beta1

A name is one of the contract, a method or an attribute of `self`, or a name in the learner's file. The grammar is a
small part of Python's: names, attributes, indices, calls, tuples, lists, dictionaries, literals and + - * /.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from chainrule.errors import OptionError, quoted

ACTIVATIONS = {1: "N", 2: "ND", 3: "NCW", 4: "NCHW"}  # axes of this library's x, y and p, by number of axes
WEIGHTS = {1: "O", 2: "OD", 3: "OCK", 4: "OCKL"}
BATCHES = ("x", "y", "p")  # arrays with a batch axis
INPUTS = ("x", "p", "t", "dy", "dw", "mode", "train", "step")  # values of a call
OPTIONS = (
    "stride",
    "padding",
    "kernel",
    "window",
    "dilation",
    "groups",
    "epsilon",
    "alpha",
    "rate",
    "factor",
    "momentum",
    "rows",
    "columns",
    "seed",
)
FIRST_VALUE = "start"  # the first parameters of an optimizer
PARAMETERS = ("w", "b", "gamma", "beta", "slope")  # of this library's layers
LAYOUT = re.compile(r"(\w+)\s*:\s*([A-Z1](?:\s*,\s*[A-Z1])*)$")
MODE = re.compile(r"(train|test)\s*:\s*(.+)$")
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
GRAMMAR = (
    *(ast.Assign, ast.Expr, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Call, ast.keyword, ast.Tuple),
    *(ast.List, ast.Dict, ast.Constant, ast.BinOp, ast.UnaryOp, ast.USub, ast.expr_context, *OPERATORS),
)


@dataclass(frozen=True)
class Line:
    """A statement of a contract.

    text   the statement
    mode   "train" or "test" if it is for this mode only; otherwise None
    """

    text: str
    mode: str | None = None

    @property
    def node(self) -> ast.Assign | ast.Expr:
        """The statement's syntax tree."""
        return statement(self.text)

    @property
    def put(self) -> tuple[ast.expr, str] | None:
        """The place and the name of a value that the statement puts into the learner's code; None for others."""
        node = self.node
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Name):
            return None
        place = node.targets[0]
        if isinstance(place, ast.Name):
            return None
        return (place, node.value.id)

    @property
    def reads(self) -> frozenset[str]:
        """Names whose values the statement uses."""
        return _names(self.text, ast.Load)

    @property
    def assigns(self) -> frozenset[str]:
        """Names that the statement assigns."""
        return _names(self.text, ast.Store)

    def __str__(self) -> str:
        if self.mode:
            return f"{self.mode}: {self.text}"
        return self.text


@dataclass(frozen=True)
class Contract:
    """The lines of a contract, and the axes of arrays by name. `str` returns a text that `parse` reads."""

    lines: tuple[Line, ...]
    layouts: Mapping[str, str]

    def __str__(self) -> str:
        shown = list[str]()
        for name, axes in self.layouts.items():
            shown.append(f"{name}: {','.join(axes)}")
        return "; ".join([*shown, *map(str, self.lines)])

    @property
    def reads(self) -> frozenset[str]:
        """Names whose values the contract uses."""
        return frozenset[str]().union(*(line.reads for line in self.lines))

    @property
    def assigns(self) -> frozenset[str]:
        """Names that the contract assigns."""
        return frozenset[str]().union(*(line.assigns for line in self.lines))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the contract uses: those of this library's layers, and those with axes."""
        names = dict.fromkeys([*PARAMETERS, *self.layouts])
        for line in self.lines:
            if line.put is not None and line.put[1].islower():
                names[line.put[1]] = None
        assigned = self.assigns
        names |= {name.removeprefix("d"): None for name in sorted(assigned) if name.startswith("d")}
        return tuple(
            name for name in names if name in self.reads and name not in (*INPUTS, *OPTIONS, *assigned - {"w"})
        )

    @property
    def single(self) -> bool:
        """Whether the code takes one sample at a time."""
        return "x" in self.layouts and "N" not in self.layouts["x"]

    @property
    def has_modes(self) -> bool:
        """Whether the contract distinguishes training from testing."""
        return any(line.mode for line in self.lines) or bool(self.reads & {"mode", "train"})

    @property
    def name(self) -> str:
        """Name of the class or the function that the contract calls first."""
        for line in self.lines:
            for node in ast.walk(line.node):
                if isinstance(node, ast.Call):
                    return ast.unparse(node.func).removeprefix("self.")
        return "contract"

    def axes(self, name: str) -> str | None:
        """Return the stated axes of an array; y is like x, and a gradient like its array. None if none are stated."""
        plain = _without_gradient(name)
        if plain == "y":
            return self.layouts.get("y", self.layouts.get("x"))
        return self.layouts.get(plain)

    def own_axes(self, name: str, rank: int) -> str | None:
        """Return the axes of this library's array with this number of axes; None if it has none of its layers' axes."""
        if _without_gradient(name) in BATCHES:
            own = ACTIVATIONS.get(rank + self.single)
            if own is not None and self.single:
                return own.replace("N", "")
            return own
        if rank == 1:
            return re.sub("[1N]", "", self.axes(name) or "")
        return WEIGHTS.get(rank)


def _without_gradient(name: str) -> str:
    """Return the name of an array for its own name, or that of its gradient: x for x and dx."""
    if name[:1] == "d":
        return name[1:]
    return name


def parse(text: str, complete: bool = True) -> Contract:
    """Return the contract that a text states: lines, or statements between semicolons; OptionError if it is none.

    complete   whether a line must state y, or w
    """
    lines = list[Line]()
    layouts = dict[str, str]()
    for part in re.split(r"[;\n]", text):
        line = part.split("#")[0].strip()
        mode = MODE.match(line)
        layout = LAYOUT.match(line)
        if mode is not None:
            lines.append(Line(ast.unparse(statement(mode[2])), mode[1]))
        elif layout is not None:
            layouts[layout[1]] = "".join(axis for axis in layout[2] if axis.isalnum())
        elif line:
            lines.append(Line(ast.unparse(statement(line))))
    contract = Contract(tuple(lines), layouts)
    if complete and not contract.assigns & {"y", "w"}:
        raise OptionError(f"contract {quoted(text)}: no line says what y is, as in y = self.forward(x)")
    return contract


@lru_cache
def statement(text: str) -> ast.Assign | ast.Expr:
    """Return the syntax tree of a statement; OptionError if it is not in the grammar."""
    try:
        (node,) = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise OptionError(f"contract {quoted(text)}: expected one statement, such as y = self.forward(x)") from None
    for part in ast.walk(node):
        name = getattr(part, "id", getattr(part, "attr", ""))
        if not isinstance(part, GRAMMAR) or name.startswith("__"):
            kind = name or type(part).__name__
            raise OptionError(f"contract {quoted(text)}: {kind} is not allowed; allowed are names, calls and indices")
    if not isinstance(node, ast.Assign | ast.Expr):
        raise OptionError(f"contract {quoted(text)}: expected an assignment or a call")
    return node


@lru_cache
def _names(text: str, context: type[ast.expr_context]) -> frozenset[str]:
    names = set[str]()
    for node in ast.walk(statement(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, context):
            names.add(node.id)
    return frozenset(names)
