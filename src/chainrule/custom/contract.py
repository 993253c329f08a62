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
    mode   "train" or "test" if it is for this mode only; otherwise empty
    """

    text: str
    mode: str = ""

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
        return None if isinstance(place, ast.Name) else (place, node.value.id)

    @property
    def reads(self) -> frozenset[str]:
        """Names whose values the statement uses."""
        return _names(self.text, ast.Load)

    @property
    def assigns(self) -> frozenset[str]:
        """Names that the statement assigns."""
        return _names(self.text, ast.Store)

    def __str__(self) -> str:
        return f"{self.mode}: {self.text}" if self.mode else self.text


@dataclass(frozen=True)
class Contract:
    """The lines of a contract, and the axes of arrays by name. `str` returns a text that `parse` reads."""

    lines: tuple[Line, ...]
    layouts: Mapping[str, str]

    def __str__(self) -> str:
        shown = [f"{name}: {','.join(axes)}" for name, axes in self.layouts.items()]
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
        return tuple(name for name in names if name in self.reads and name not in INPUTS)

    @property
    def single(self) -> bool:
        """Whether the code takes one sample at a time."""
        stated = self.layouts.get("x") or self.layouts.get("p")
        return stated is not None and "N" not in stated

    @property
    def has_modes(self) -> bool:
        """Whether the contract distinguishes training from testing."""
        return any(line.mode for line in self.lines) or bool(self.reads & {"mode", "train"})

    @property
    def name(self) -> str:
        """Name of the class or the function that the contract calls first."""
        calls = (node.func for line in self.lines for node in ast.walk(line.node) if isinstance(node, ast.Call))
        dotted = next(calls, None)
        return "contract" if dotted is None else ast.unparse(dotted).removeprefix("self.")

    def axes(self, name: str) -> str:
        """Return the stated axes of an array; y is like x, and a gradient like its array. Empty if none are stated."""
        plain = name[1:] if name[:1] == "d" else name
        return self.layouts.get(plain) or (self.layouts.get("x", "") if plain == "y" else "")

    def own_axes(self, name: str, rank: int) -> str:
        """Return the axes of this library's array with this number of axes."""
        plain = name[1:] if name[:1] == "d" else name
        stated = [axis for axis in self.axes(name) if axis not in "1N"]
        if plain not in BATCHES:
            return "".join(stated) if rank == 1 else WEIGHTS.get(rank, "")
        own = ACTIVATIONS.get(rank + self.single, "")
        return own.replace("N", "") if self.single else own


def parse(text: str) -> Contract:
    """Return the contract that a text states: lines, or statements between semicolons; OptionError if it is none."""
    lines, layouts = list[Line](), dict[str, str]()
    for part in re.split(r"[;\n]", text):
        line = part.split("#")[0].strip()
        mode, layout = MODE.match(line), LAYOUT.match(line)
        if mode is not None:
            lines.append(Line(ast.unparse(statement(mode[2])), mode[1]))
        elif layout is not None:
            layouts[layout[1]] = "".join(axis for axis in layout[2] if axis.isalnum())
        elif line:
            lines.append(Line(ast.unparse(statement(line))))
    contract = Contract(tuple(lines), layouts)
    if not contract.assigns & {"y", "w"}:
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
    nodes = (node for node in ast.walk(statement(text)) if isinstance(node, ast.Name))
    return frozenset(node.id for node in nodes if isinstance(node.ctx, context))
