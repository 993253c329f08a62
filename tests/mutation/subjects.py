"""What `make mutate` changes: packages, folders or modules, each with the tests that must detect its mutants."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/chainrule"
NOT_CHANGED = ("engines/compiled/kernels", "engines/jax")  # each mutant would have to be compiled
MORE_TESTS = {  # besides the folder of the package's name
    "layers": ("core/test_plan.py", "training/test_gradients.py", "interop/test_onnx_layers.py"),
    "network": ("training",),
}


@dataclass(frozen=True)
class Subject:
    """A package, folder or module, and the files and folders of its tests."""

    name: str  # such as "data", "engines/numpy" or "layers/dense"
    tests: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """Paths of the changed files."""
        path = PACKAGE / self.name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        excluded = [PACKAGE / name for name in NOT_CHANGED]
        return [file for file in files if not any(file.is_relative_to(folder) for folder in excluded)]


def subject(name: str, tests: tuple[str, ...] = ()) -> Subject:
    """Return a subject by its name, with the tests of its package unless others are given."""
    package = name.partition("/")[0]
    own = tuple(f"tests/{each}" for each in (package, *MORE_TESTS.get(package, ())))
    return Subject(name, tests or own)


def packages() -> list[Subject]:
    """Return the packages that have a folder of tests."""
    names = sorted(file.parent.name for file in PACKAGE.glob("*/__init__.py"))
    return [subject(name) for name in names if (ROOT / "tests" / name).is_dir()]
