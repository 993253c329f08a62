"""Small changes of a module's functions, and their exchange in the running process."""

import ast
import copy
import gc
import itertools
import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

from mutation.subjects import PACKAGE

OTHER: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Div,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.MatMult: ast.Mult, ast.And: ast.Or,
    ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Break: ast.Continue, ast.Continue: ast.Break, ast.USub: ast.UAdd,
}  # fmt: skip
# Keyword arguments for the look of a figure, such as color=: no test sees whether another one is less legible.
LOOKS = {
    "alpha", "cmap", "color", "edgecolor", "facecolor", "fontsize", "fontweight", "labelcolor", "labelpad", "labelsize",
    "linespacing", "linewidth", "ls", "lw", "markersize", "mec", "mew", "ms", "zorder",
}  # fmt: skip
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Change:
    """A mutant: the outermost function it is in, its line, and both texts of the changed part."""

    file: Path
    function: str
    line: int
    before: str
    after: str
    code: CodeType | None

    @property
    def module(self) -> str:
        """Name of the changed module, such as "layers/dense"."""
        path = self.file.with_suffix("")
        return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name

    def apply(self) -> None:
        """Exchange the code of every function of the file that is alive in this process."""
        assert self.code is not None
        exchange([self.code])


def exchange(modules: Iterable[CodeType]) -> None:
    """Give every function that is alive in this process its code in one of these modules, if it is there."""
    codes = dict[tuple[str, str, int], CodeType]()
    for module in modules:
        for code in _codes(module):
            codes[code.co_filename, code.co_qualname, code.co_firstlineno] = code
    for value in gc.get_objects():
        if type(value) is FunctionType:
            old = value.__code__
            new = codes.get((old.co_filename, old.co_qualname, old.co_firstlineno))
            if new and new.co_freevars == old.co_freevars:
                value.__code__ = new


def recording(file: Path, record: str) -> CodeType:
    """Compile a file whose functions, when they are called, add its path and their name to a built-in set.

    Functions in a function, which may have been created when the file was imported, add the name of the outermost.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for name, function in _functions(tree):
        entry = ast.parse(f"{record}.add({(str(file), name)!r})", mode="eval").body
        for node in [*ast.walk(function)]:
            if isinstance(node, DEFINITIONS):
                node.body.insert(0, ast.copy_location(ast.Expr(entry), node.body[0]))
            elif isinstance(node, ast.Lambda):  # the last of two values
                values = ast.Tuple([entry, node.body], ast.Load())
                node.body = ast.copy_location(ast.Subscript(values, ast.Constant(1), ast.Load()), node.body)
    return compile(ast.fix_missing_locations(tree), str(file), "exec", dont_inherit=True)


def changes(files: Sequence[Path], count: int, seed: int = 0) -> list[Change]:
    """Draw at most ``count`` changes of the functions of files."""
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    places = [(file, tree, *place) for file, tree in trees.items() for place in _places(tree)]
    drawn = sorted(random.Random(seed).sample(range(len(places)), min(count, len(places))))
    return [_change(*places[index]) for index in drawn]


def _places(tree: ast.Module) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """Yield the functions of a file, each with a part and what replaces it."""
    for name, function in _functions(tree):
        for old, new in _replacements(function):
            yield name, old, new


def mutant(text: str, functions: Collection[str], seed: int) -> str:
    """Draw a change in these functions or methods (CLASS.METHOD) of a text; return the changed text."""
    tree = ast.parse(text)
    places = [*_places(tree)]
    draws = (random.Random(number).choice(places) for number in itertools.count(seed, 1000))
    _, old, new = next(place for place in draws if place[0] in functions)
    changed = copy.deepcopy(tree, {id(old): ast.copy_location(new, old)})
    return ast.unparse(ast.fix_missing_locations(changed))


def _change(file: Path, tree: ast.Module, name: str, old: ast.AST, new: ast.AST) -> Change:
    mutant = copy.deepcopy(tree, {id(old): ast.copy_location(new, old)})
    code = compile(ast.fix_missing_locations(mutant), str(file), "exec", dont_inherit=True)
    before, after = (ast.unparse(node).partition("\n")[0] for node in (old, new))
    return Change(file, name, old.lineno, before, after, code)


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the outermost functions and methods with their qualified names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, DEFINITIONS):
            yield prefix + node.name, node
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _functions(node, prefix)


def _replacements(function: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield expressions and statements of a function, each with one that replaces it."""
    for statement in function.body:
        for node in _executed(statement):
            for new in _alternatives(node):
                yield node, new


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and those in it, without annotations, docstrings, messages, defaults and the look of figures."""
    if isinstance(node, (ast.JoinedStr, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.arguments)):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.keyword) and node.arg in LOOKS:
        return
    yield node
    left_out = {"annotation", "returns", "decorator_list"}
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in left_out:
                yield from _executed(child)


def _alternatives(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) | ast.UnaryOp(op=op) if type(op) in OTHER:
            yield _with(node, op=OTHER[type(op)]())
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                yield _with(node, ops=[*ops[:place], OTHER[type(op)](), *ops[place + 1 :]])
        case ast.Break() | ast.Continue():
            yield OTHER[type(node)]()
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() as value) if " " not in value:
            yield ast.Constant(f"XX{value}")
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.If() | ast.IfExp() | ast.While():
            yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Return(value=ast.expr() as value) | ast.Assign(value=value) if not isinstance(value, ast.Constant):
            yield _with(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Call(args=args):
            for place, argument in enumerate(args):
                if not isinstance(argument, (ast.Starred, ast.Constant)):
                    yield _with(node, args=[*args[:place], ast.Constant(None), *args[place + 1 :]])
        case ast.keyword() if not isinstance(node.value, ast.Constant):
            yield _with(node, value=ast.Constant(None))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """Return a node with other fields, which are not copied."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
