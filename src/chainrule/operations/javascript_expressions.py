"""Translation of expressions of the reference operations to JavaScript; see `javascript`."""

import ast
import inspect
from abc import ABC, abstractmethod
from types import FunctionType

from chainrule.operations.functions import FUNCTIONS

NEW = {"np.empty": "zeros({})", "np.zeros": "zeros({})", "np.full": "zeros({}, -1)", "np.ones": "zeros({}, 1)"}
NEW_LIKE = ("np.empty_like", "np.zeros_like")
SAME = (
    "bool",
    "int",
    "list",
    "real_part",
    "tuple",
)  # return their argument, since there are no complex numbers
CALLS = {
    **{f"np.{entry.arrays.removeprefix('{}.')}": entry.javascript for entry in FUNCTIONS.values()},
    "np.sign": "Math.sign",
    "math.sqrt": "Math.sqrt",
    "abs": "Math.abs",
    "max": "Math.max",
    "min": "Math.min",
    "np.isnan": "Number.isNaN",
    "math.prod": "sizeOf",
    "range": "range",
    "zip": "zip",
    "error_function": "errorFunction",
    "normal_distribution": "normalDistribution",
}
VALUES = {
    "math.pi": "Math.PI",
    "np.finfo(p.dtype).eps": "Number.EPSILON",
    "None": "null",
    "True": "true",
    "False": "false",
}
ATTRIBUTES = {"shape": "{}.shape", "ndim": "{}.shape.length", "size": "{}.data.length", "real": "{}"}
OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.Eq: "===",
    ast.NotEq: "!==",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "===",
    ast.IsNot: "!==",
    ast.And: "&&",
    ast.Or: "||",
    ast.USub: "-",
    ast.Not: "!",
}


class Addition(ast.stmt):
    """The statement that adds an element to a list, a sum or a maximum: a line with {} for the element's value."""

    def __init__(self, value: ast.expr, line: str) -> None:
        super().__init__()
        self.value = value
        self.line = line


class TranslatedExpressions(ABC):
    """The translation of a function's expressions.

    globals    names in the function's module
    arrays     names of arrays
    counters   names of counters: offsets of elements, or of the last part of an index
    lists      names of indices that are lists
    before     lines that must precede the current statement
    """

    def __init__(self, function: FunctionType) -> None:
        self.globals = function.__globals__
        self.arrays: set[str] = set()
        self.counters: set[str] = set()
        self.lists: set[str] = set()
        self.before: list[str] = []
        self._labels = 0

    @abstractmethod
    def loop(self, target: ast.expr, iterated: ast.expr, body: list[ast.stmt]) -> list[str]:
        """Return the lines of a loop. A loop that only contains checks is left out."""

    @abstractmethod
    def name_of(self, function: FunctionType) -> str:
        """Return the name in JavaScript of a function that is called, and translate the function."""

    def _collected(self, source: ast.ListComp | ast.GeneratorExp, label: str, start: str, line: str) -> str:
        """Write a loop before the current statement that computes a list, a sum or a maximum. Return its name.

        line   the line that adds an element: the name is {0}, and the element {1}
        """
        (generator,) = source.generators
        name = self.label(label)
        before = self.before
        self.before = []
        addition = Addition(source.elt, line.format(name, "{}"))
        lines = self.loop(generator.target, generator.iter, [addition])
        self.before = [*before, *self.before, f"let {name} = {start};", *lines]
        return name

    def label(self, name: str) -> str:
        self._labels += 1
        return f"{name}{self._labels}"

    def value(self, node: ast.expr) -> str:
        """Return an expression. Lines that must precede it are added to those of the statement."""
        text = ast.unparse(node)
        if text in VALUES:
            return VALUES[text]
        match node:
            case ast.Constant(str(value)):
                return f'"{value}"'
            case ast.Constant(value):
                return repr(value)
            case ast.Name(name) if name.isupper() and name in self.globals:
                return self.value(ast.parse(repr(self.globals[name]), mode="eval").body)
            case ast.Name(name):
                return name
            case ast.Tuple(parts) | ast.List(parts):
                return f"[{', '.join(map(self.value, parts))}]"
            case ast.Starred(value):
                return f"...{self.value(value)}"
            case ast.Attribute(value, name):
                return ATTRIBUTES[name].format(self.value(value))
            case ast.Subscript(value, index):
                return self._element(value, index)
            case ast.ListComp() | ast.GeneratorExp():
                return self._collected(node, "list", "[]", "{0}.push({1});")
            case ast.Call():
                return self._call(node, ast.unparse(node.func), node.args)
            case _:
                return self._computed(node)

    def _computed(self, node: ast.expr) -> str:
        """Return an expression with operators."""
        match node:
            case ast.BinOp(left, ast.FloorDiv(), right):
                return f"Math.floor({self.value(left)} / {self.value(right)})"
            case ast.BinOp(ast.List([item]), ast.Mult(), count):
                return f"new Array({self.value(count)}).fill({self.value(item)})"
            case ast.BinOp(left, operator, right) | ast.Compare(left, [operator], [right]):
                return f"({self.value(left)} {OPERATORS[type(operator)]} {self.value(right)})"
            case ast.BoolOp(operator, parts):
                sign = f" {OPERATORS[type(operator)]} "
                return f"({sign.join(map(self.value, parts))})"
            case ast.UnaryOp(ast.USub(), ast.Name(name)) if name in self.arrays:
                return f"negated({name})"
            case ast.UnaryOp(operator, operand):
                return f"({OPERATORS[type(operator)]}{self.value(operand)})"
            case ast.IfExp(test, body, orelse):
                return f"({self.value(test)} ? {self.value(body)} : {self.value(orelse)})"
            case _:
                raise NotImplementedError(ast.unparse(node))

    def _element(self, value: ast.expr, index: ast.expr) -> str:
        """Return an element of an array or a list, or a part of a list."""
        text = self.value(value)
        if isinstance(index, ast.Slice):
            bounds = [self.value(index.lower) if index.lower else "0"]
            if index.upper:
                bounds.append(self.value(index.upper))
            return f"{text}.slice({', '.join(bounds)})"
        if text in self.arrays:
            return f"{text}.data[{self._offset(text, index)}]"
        return f"{text}[{self.value(index)}]"

    def _offset(self, array: str, index: ast.expr) -> str:
        """Return the offset of an index in an array."""
        match index:
            case ast.IfExp(test, body, orelse):
                return f"{self.value(test)} ? {self._offset(array, body)} : {self._offset(array, orelse)}"
            case ast.Name(name) if name in self.counters:
                return name
            case ast.Tuple([*parts, ast.Starred(ast.Name(rest))]) if rest in self.counters:
                return " + ".join([*self._products(array, parts), rest])
            case ast.Tuple(parts) if not any(isinstance(part, ast.Starred) for part in parts):
                return " + ".join(self._products(array, parts))
            case ast.Tuple() | ast.Call(ast.Name("tuple")):
                return f"ravel({self.value(index)}, {array}.shape)"
            case ast.Name(name) if name in self.lists:
                return f"ravel({name}, {array}.shape)"
            case _:
                return self.value(index)

    def _products(self, array: str, parts: list[ast.expr]) -> list[str]:
        """Return the products of the first parts of an index and the strides of an array."""
        return [f"{self.value(part)} * {array}{axis}" for axis, part in enumerate(parts)]

    def _call(self, node: ast.Call, name: str, arguments: list[ast.expr]) -> str:
        """Return the expression of a call of a built-in, of a NumPy function, or of a function of the reference.

        Keyword-only arguments of the last kind become one object: max_pool(x, window=w) → max_pool(x, { window: w }).
        """
        match name, arguments:
            case "sum", [ast.GeneratorExp() as source]:
                return self._collected(source, "sum", "0", "{0} += {1};")
            case "max", [ast.GeneratorExp() as source]:
                return self._collected(source, "largest", "-Infinity", "{0} = Math.max({0}, {1});")
            case "len", [value]:
                text = self.value(value)
                size = "shape[0]" if text in self.arrays else "length"
                return f"{text}.{size}"
            case "divmod", [left, right]:
                first = self.value(left)
                second = self.value(right)
                return f"[Math.floor({first} / {second}), {first} % {second}]"
            case _:
                pass
        if name in NEW:
            shape = self.value(arguments[0])
            if not _is_shape(arguments[0]):
                shape = f"[{shape}]"
            return NEW[name].format(shape)
        values = list(map(self.value, arguments))
        if name in NEW_LIKE:
            return f"zeros({values[0]}.shape)"
        if name in SAME:
            return values[0]
        if name in CALLS:
            return f"{CALLS[name]}({', '.join(values)})"
        keywords = {keyword.arg: self.value(keyword.value) for keyword in node.keywords}
        function = self.globals[name]
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name not in keywords:
                continue
            value = keywords[parameter.name]
            if parameter.kind is parameter.KEYWORD_ONLY:
                value = f"{{ {parameter.name}: {value} }}"
            values.append(value)
        return f"{self.name_of(function)}({', '.join(values)})"


def _is_shape(size: ast.expr) -> bool:
    """Return whether the argument of a function such as np.zeros is a shape and not a number."""
    match size:
        case ast.IfExp(_, body, orelse):
            return _is_shape(body) and _is_shape(orelse)
        case ast.Subscript(_, index):
            return isinstance(index, ast.Slice)
        case _:
            return not isinstance(size, ast.BinOp)
