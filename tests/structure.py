"""How much code a reader of one small `fit` meets, compared with `LIMITS`: python tests/structure.py (make lint).

The network trains on the NumPy engine. A step is one in the middle of an epoch. Tokens are those of `code_size`. The
imports of all modules are read from their source, including those inside functions and for types.
"""

import ast
import inspect
import sys
from collections import defaultdict
from collections.abc import Container, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from code_size import code_tokens

SOURCE = Path(__file__).parents[1] / "src" / "chainrule"
LIMITS = {
    "tokens of the loaded modules": 80_927,
    "tokens of the functions that are entered": 32_097,
    "calls in a step": 123,
    "files in a step": 18,
    "switches between files in a step": 54,
    "modules in an import cycle": 0,
    "modules that can be imported": 140,
    "functions that the inputs pass before the first batch": 28,
}
MODULES_OF_A_FIT = ("models.model", "models.fitting", "training.trainer", "training.loop")


class Import(NamedTuple):
    """An import of one module by another, both by dotted name below the package."""

    importer: str
    imported: str


def name_of(file: Path) -> str:
    """Return the dotted name of a module below the package."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in sorted(SOURCE.rglob("*.py"))}


@cache
def imports(name: str, *, types: bool = False) -> tuple[Import, ...]:
    """Return what a module imports of the package, inside functions too; imports for types alone only if ``types``."""
    return tuple(_imports(name, types=types))


def _imports(name: str, *, types: bool) -> Iterator[Import]:
    for node in _statements(ast.parse(MODULES[name].read_text(encoding="utf-8")), types=types):
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{name}: a relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for dotted in full:
            package, _, inner = dotted.partition(".")
            while package == "chainrule" and inner and inner not in MODULES:
                inner = inner.rpartition(".")[0]
            if package == "chainrule":
                yield Import(name, inner)


def _statements(block: ast.AST, *, types: bool) -> Iterator[ast.AST]:
    """Yield the statements below a module or statement, which is much faster than to visit all expressions."""
    bodies = ["body", "orelse", "finalbody", "handlers", "cases"]
    is_for_types = isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
    if is_for_types and not types:
        bodies.remove("body")
    for body in bodies:
        for statement in getattr(block, body, ()):
            yield statement
            yield from _statements(statement, types=types)


def reach(*names: str) -> set[str]:
    """Return the modules that some modules can import: their own imports, those of these modules, and so on.

    Packages are imported with their modules. Not counted are modules that a table names (`core.lazy_methods`, engines).
    """
    reached = set[str]()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting += [entry.imported for entry in imports(name)]
        package, _, _ = name.rpartition(".")
        if package:
            waiting.append(package)
    return reached


def import_cycle() -> list[str]:
    """Return modules that import each other in a cycle, by name; empty if there are none."""
    graph = {name: {entry.imported for entry in imports(name, types=True)} - {name} for name in MODULES}
    for name in graph:  # a package's __init__ is imported with each of its modules, and may import them
        graph[name] -= {parent for parent in graph if name.startswith(f"{parent}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][1:]
    return []


def token_count(file: str, lines: Container[int] | None = None) -> int:
    """Return the number of tokens in a file, or in some of its lines."""
    tokens = code_tokens(Path(file).read_text(encoding="utf-8"))
    return sum(lines is None or token.start[0] in lines for token in tokens)


def calls_of_a_fit() -> tuple[list[CodeType], list[CodeType]]:
    """Return the functions of the package that a small `fit` calls, and those calls that belong to its third step."""
    import numpy as np

    import chainrule as cr
    from chainrule import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax

    calls: list[CodeType] = []
    steps: list[int] = []  # number of calls at the end of each step

    class Steps(cr.Callback):
        def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
            steps.append(len(calls))

    def record(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(SOURCE)):
            calls.append(frame.f_code)

    x = np.random.default_rng(0).integers(0, 255, (128, 1, 12, 12), np.uint8)
    sys.setprofile(record)
    layers = [Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(3), Softmax()]
    model = cr.Sequential(layers, (1, 12, 12), engine="numpy", threads=1)
    model.fit(x, np.arange(128) % 3, batch_size=16, progress=False, callbacks=Steps())
    sys.setprofile(None)
    return calls, calls[steps[1] : steps[2]]


def holds(value: Any, x: Any, depth: int = 1) -> bool:
    """Return whether a value is an array, shares memory with it, or is an object of data or training that holds it."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return value.dtype == x.dtype and np.shares_memory(value, x, max_work=10)
    if not depth:
        return False
    if isinstance(value, list | tuple | dict):
        parts = [*value.values()] if isinstance(value, dict) else [*value]
        return len(parts) < 50 and any(holds(part, x, depth - 1) for part in parts)
    package = type(value).__module__.split(".")
    is_ours = package[0] == "chainrule" and package[1] not in ("network", "engines") and package[-1] != "model"
    return is_ours and any(holds(part, x, depth - 1) for part in [*getattr(value, "__dict__", {}).values()])


def functions_before_the_first_batch() -> int:
    """Return how many functions of the package the inputs of a small `fit` are passed to before its first batch."""
    import numpy as np

    import chainrule as cr

    passed: set[CodeType] = set()

    def record(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        is_ours = event == "call" and code.co_filename.startswith(str(SOURCE)) and code.co_name[0] != "<"
        if not is_ours or started:
            return
        sys.setprofile(None)
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
        count += bool(code.co_flags & inspect.CO_VARKEYWORDS)
        if code.co_qualname == "Samples.batch":  # the first batch is assembled
            started.append(code)
        elif any(holds(frame.f_locals.get(name), x) for name in code.co_varnames[:count]):
            passed.add(code)
        sys.setprofile(record)

    started: list[CodeType] = []
    x = np.random.default_rng(0).integers(0, 255, (128, 1, 12, 12), np.uint8)
    layers = [cr.Conv2D(4, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (1, 12, 12), engine="numpy", threads=1)
    sys.setprofile(record)
    model.fit(x, np.arange(128) % 3, batch_size=16, progress=False)
    sys.setprofile(None)
    return len(passed)


def measured() -> tuple[int, ...]:
    """Return the numbers to which `LIMITS` apply, in order."""
    calls, step = calls_of_a_fit()
    entered: dict[str, set[int]] = defaultdict(set)
    functions = {code for code in calls if code.co_flags & inspect.CO_OPTIMIZED and code.co_name[0] != "<"}
    for code in functions:
        lines, first = inspect.getsourcelines(code)
        entered[code.co_filename] |= {*range(first, first + len(lines))}
    loaded = {str(module.__file__) for name, module in [*sys.modules.items()] if name.startswith("chainrule")}
    files = [code.co_filename for code in step]
    return (
        sum(map(token_count, loaded)),
        sum(token_count(file, lines) for file, lines in entered.items()),
        len(step),
        len({*files}),
        sum(a != b for a, b in pairwise(files)),
        len(import_cycle()),
        len(reach(*MODULES_OF_A_FIT)),
        functions_before_the_first_batch(),
    )


if __name__ == "__main__":
    numbers = dict(zip(LIMITS, measured(), strict=True))
    print("; ".join(f"{name}: {number:,} of {LIMITS[name]:,}" for name, number in numbers.items()))
    sys.exit(any(number > LIMITS[name] for name, number in numbers.items()))
