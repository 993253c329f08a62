"""What `make mutate` changes: packages, folders or modules, each with the tests that must detect its mutants."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/chainrule"
NOT_CHANGED = ("engines/native/kernels", "engines/jax")  # each mutant would have to be compiled
# Tests of a package that are not in the folder of its name. They reach it through the package that is its caller: the
# adapters of custom code are tested by checking homework, and a network by training it.
MORE_TESTS = {
    "custom": (
        "layers/test_custom.py",
        "training/test_own.py",
        "check/test_agreement.py",
        "check/test_contracts.py",
        "check/test_guesses.py",
        "check/test_hints.py",
        "check/test_optimizers.py",
        "check/test_other_calls.py",
        "check/test_programs.py",
    ),
    "layers": ("core/test_plan.py", "training/test_gradients.py", "interop/test_onnx_layers.py"),
    "network": ("training",),
    "sklearn": ("test_sklearn.py",),
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
    """Return a subject by its name, with the tests of its package unless others are given.

    They are in the folder of the package's name, if there is one, and in `MORE_TESTS`.
    """
    package = name.partition("/")[0]
    own = [ROOT / "tests" / package, *(ROOT / "tests" / more for more in MORE_TESTS.get(package, ()))]
    return Subject(name, tests or tuple(path.relative_to(ROOT).as_posix() for path in own if path.exists()))


def packages() -> list[Subject]:
    """Return all packages."""
    return [subject(file.parent.name) for file in sorted(PACKAGE.glob("*/__init__.py"))]
