"""The mutated modules, each with the tests that must detect the mutants."""

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = Path("src/chainrule")
REFERENCE = "tests/operations/reference"
EVERY_OPERATION = tuple(f"{REFERENCE}/test_{kind}.py" for kind in ("gradients", "oracles", "refusals"))
OPERATIONS = "tests/engines/test_operations.py"
NUMPY = "tests/engines/test_numpy.py"
TESTED_WITH = {  # modules without a test file of the same name
    "windows": ("convolution", "pooling"),
    **dict.fromkeys(("elementary", "rectifiers", "softmax"), ("activations",)),
}
LAYERS = (
    "tests/layers",
    "tests/core/test_plan.py",
    "tests/training/test_gradients.py::test_every_layer_by_numbers",
    "tests/interop/test_onnx_layers.py::test_a_layer",
)
STEPS = ("recipe", "refusals", "step", "own", "lr_multipliers")  # tests of optimizers
EMPTY = {"operations/reference/__init__"}  # names only: no functions


@dataclass(frozen=True)
class Subject:
    """A module and its tests: files or single tests, and pytest's ``-k``."""

    module: str
    tests: tuple[str, ...]
    only: str

    @property
    def source(self) -> Path:
        """Path of the module's file, relative to the root."""
        return PACKAGE / f"{self.module}.py"


def subjects() -> dict[str, Subject]:
    """Return all subjects by module: "operations/reference/pooling", "layers/dense", "network/losses"."""
    found = [
        *(_reference(name) for name in _names("operations/reference")),
        *(_numpy(name) for name in _names("engines/numpy")),
        *(Subject(name, LAYERS, "not compiled") for name in _names("layers")),
        Subject("network/losses", ("tests/network",), "not compiled"),
        Subject("training/optimizers", tuple(f"tests/training/test_{kind}.py" for kind in STEPS), "not compiled"),
    ]
    return {subject.module: subject for subject in found if subject.module not in EMPTY}


def _names(folder: str) -> list[str]:
    return sorted(f"{folder}/{file.stem}" for file in (ROOT / PACKAGE / folder).glob("*.py"))


def _reference(module: str) -> Subject:
    """Return the test file of the same name, if there is one, and those of all operations."""
    name = Path(module).name
    files = [f"{REFERENCE}/test_{each}.py" for each in TESTED_WITH.get(name, (name,))]
    own = [file for file in files if (ROOT / file).is_file()]
    return Subject(module, (*own, *EVERY_OPERATION), "not compiled")


def _numpy(module: str) -> Subject:
    """Return the comparison of the engine's operations with the reference, selected by name."""
    name = Path(module).name
    files = {"arrays": ("dense", "convolution", "normalization", "pooling")}.get(name, (name,))
    operations = [one for file in files for one in _operations(_file(f"engines/numpy/{file}"))]
    only = " or ".join(operations)
    if name == "convolution":
        return Subject(module, (OPERATIONS, NUMPY), f"{only} or block")
    return Subject(module, (OPERATIONS, NUMPY), only)


def _file(module: str) -> Path:
    return ROOT / PACKAGE / f"{module}.py"


def _operations(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
