"""A component with any function of formulas is right in every path: explanations, NumPy, JAX, compiled, C, the page."""

import ctypes
import importlib
import json
import linecache
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from chainrule.engines.native import build, calls
from chainrule.engines.native.library import BITS
from chainrule.explain import formulas
from chainrule.interop import c
from chainrule.operations import array_files, definitions, functions, parser, reference
from chainrule.operations.elementwise import find_operation
from chainrule.operations.scalar_code import c_source, vector_source
from chainrule.web.document import PAGE

POINTS = np.array([-90.0, -20.0, -3.5, -1.0, -0.3, -1e-6, 0.0, 1e-6, 0.4, 1.0, 2.5, 7.0, 60.0])
ABOVE = POINTS[POINTS >= 0]  # arguments of a root
# Formula of x → the same function by SciPy or NumPy, and arguments. The last ones have arguments of known sign.
CASES: dict[str, tuple[Any, Any]] = {
    "√(x)": (np.sqrt, ABOVE),
    "e^{x}": (np.exp, POINTS),
    "expm1(x)": (np.expm1, POINTS),
    "log(x + 100)": (lambda x: np.log(x + 100), POINTS),
    "log1p(x)": (np.log1p, POINTS[POINTS > -1]),
    "tanh(x)": (np.tanh, POINTS),
    "arctan(x)": (np.arctan, POINTS),
    "abs(x)": (np.abs, POINTS),
    "⌊x⌋": (np.floor, POINTS),
    "round(x)": (np.rint, POINTS),
    "σ(x)": (special.expit, POINTS),
    "Φ(x)": (stats.norm.cdf, POINTS),
    "φ(x)": (stats.norm.pdf, POINTS),
    "max(x, 1)": (lambda x: np.maximum(x, 1), POINTS),
    "min(x, 1)": (lambda x: np.minimum(x, 1), POINTS),
    "e^{−|x| / 2}": (lambda x: np.exp(-np.abs(x) / 2), POINTS),
    "expm1(−|x|)": (lambda x: np.expm1(-np.abs(x)), POINTS),
    "log1p(e^{−|x|})": (lambda x: np.log1p(np.exp(-np.abs(x))), POINTS),
    "x·(log(2) + √(3) − tanh(0.3))": (lambda x: x * (np.log(2) + np.sqrt(3) - np.tanh(0.3)), POINTS),
}
TINY = {"float64": 1e-300, "float32": 1e-37}  # results below are flushed to 0


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that describes an operation by a formula, and returns its name."""

    def describe(formula: str) -> str:
        name = f"probe{[*CASES].index(formula)}"
        entry = {"value": [f"y = {formula}"], "slope": ["f′(x) = 1"], "words": []}
        described = {**definitions._described(), name: definitions.Described("activations", entry)}
        monkeypatch.setattr(definitions, "_described", lambda: described)
        names: dict[str, Any] = {"Array": Any}
        shown, source = f"<{name}>", f'def {name}(x: Array) -> Array:\n    """Compute."""\n'
        linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
        exec(compile(source, shown, "exec"), names)
        monkeypatch.setattr(reference, name, names[name], raising=False)
        return name

    return describe


def in_c(name: str, x: Any, folder: Path) -> Any:
    """Return what the C function computes in float32."""
    kernels = Path(str(c.__path__[0])) / "kernels"
    parts = [(kernels / f"{file}.c").read_text(encoding="utf-8") for file in ("prelude", "exponential")]
    source = c_source(find_operation(name), gradient=False, literal="{!r}f".format)
    text = "\n".join(["#include <math.h>\n#include <stdint.h>", *parts, source.replace("static void", "void")])
    (folder / "probe.c").write_text(text, encoding="utf-8")
    library = folder / "probe.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, folder / "probe.c", "-lm"], check=True)
    values, result = x.astype("float32"), np.empty(len(x), "float32")
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (values, result)]
    getattr(ctypes.CDLL(str(library)), name)(*pointers, ctypes.c_int(len(x)))
    return result


def with_arrays(name: str, x: Any, library: str) -> Any:
    """Return what the generated function of NumPy or JAX computes."""
    engine = importlib.import_module(f"chainrule.engines.{array_files.PACKAGES[library]}.arrays")
    space = {**vars(engine), library: np if library == "np" else engine.jnp}
    exec(array_files.array_source(name, library), space)
    with getattr(engine, "settings", nullcontext)():  # JAX in float64
        return np.asarray(space[name](x))


@pytest.mark.parametrize("formula", CASES)
def test_explanations(formula: str) -> None:
    expected, x = CASES[formula]
    parsed = parser.parse_formula(f"y = {formula}")
    found = [formulas.result(parsed, {"x": float(value)}) for value in x]
    assert_allclose(found, expected(x), rtol=1e-12)
    assert formulas.in_letters(parsed, {"x": "x[i]"}) == formula.replace("x", "x[i]").replace("ex[i]p", "exp").replace(
        "max[i]", "max"
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_kernels(dtype: str, tmp_path: Path, probes: Callable[[str], str]) -> None:
    operations = {formula: find_operation(probes(formula)) for formula in CASES}
    text = "\n".join(vector_source(operation, gradient=False) for operation in operations.values())
    (tmp_path / "probes.c").write_text(f'#include "elementary.h"\n{text}', encoding="utf-8")
    made, real = tmp_path / "probes.so", build.REALS[f"-{dtype}"]
    options = [*build.FLAGS, build.WIDTHS[BITS], real, "-I", build.FOLDER / "kernels", "-shared", "-o", made]
    subprocess.run([*build.compiler(), *options, tmp_path / "probes.c", "-lm"], check=True)
    for formula, operation in operations.items():
        expected, x = CASES[formula]
        values, result = x.astype(dtype), np.empty(len(x), dtype)
        arrays = b"".join(map(calls._array, (values, result)))
        assert getattr(ctypes.CDLL(str(made)), f"{operation.name}_{dtype}")(arrays, None) == 0
        accuracy = {"rtol": 500 * np.finfo(dtype).eps, "atol": TINY[dtype]}
        assert_allclose(result, expected(values.astype(float)), err_msg=formula, **accuracy)


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize("formula", CASES)
def test_arrays(formula: str, engine: str, probes: Callable[[str], str]) -> None:
    expected, x = CASES[formula]
    library = {package: name for name, package in array_files.PACKAGES.items()}[engine]
    with np.errstate(all="ignore"):
        found = with_arrays(probes(formula), x.copy(), library)
    assert_allclose(found, expected(x), rtol=1e-13, atol=1e-300)


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("formula", CASES)
def test_c(formula: str, tmp_path: Path, probes: Callable[[str], str]) -> None:
    expected, x = CASES[formula]
    values = x.astype("float32")
    assert_allclose(in_c(probes(formula), x, tmp_path), expected(values.astype(float)), rtol=1e-5, atol=TINY["float32"])


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
def test_the_page(tmp_path: Path) -> None:
    """The page evaluates the parsed formulas of the network's description."""
    trees = {formula: parser.expression(formula)["tree"] for formula in CASES}
    request = [[tree, [*CASES[formula][1]]] for formula, tree in trees.items()]
    script = f"""import {{ evaluate }} from {json.dumps((PAGE / "explain/formulas.js").as_uri())};
const request = {json.dumps(request)};
console.log(JSON.stringify(request.map(([tree, points]) => points.map((x) => evaluate(tree, {{ x }})))));"""
    (tmp_path / "probe.mjs").write_text(script, encoding="utf-8")
    answer = subprocess.run(["node", tmp_path / "probe.mjs"], check=True, capture_output=True, text=True)
    for formula, found in zip(CASES, json.loads(answer.stdout), strict=True):
        expected, x = CASES[formula]
        assert_allclose(found, expected(x), rtol=1e-12, atol=1e-15, err_msg=formula)


def test_every_function_has_a_case() -> None:
    used = {token for formula in CASES for token in parser.FORMULA_TOKEN.findall(formula)}
    assert {*functions.NAMES} <= used
