"""Generated code computes what the reference computes: kernels, C in one library, and the page's files."""

import ctypes
import inspect
import shutil
import subprocess
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close

from chainrule.engines.native.kernels import losses as loss_kernels
from chainrule.engines.native.kernels import merging
from chainrule.engines.native.kernels.selection import KERNELS
from chainrule.interop import c
from chainrule.layers.kinds import ELEMENTWISE, PARTIAL
from chainrule.operations import definitions, generator, javascript, reference
from chainrule.operations.elementwise import find_operation
from chainrule.operations.loss_code import loss_c_source
from chainrule.operations.scalar_code import C_NAMES, c_source

FAR = np.array([0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 90.0, -90.0, 700.0, -700.0, np.nan])
CASES = [
    (name, place, gradient) for name in ELEMENTWISE for place in (0, -1) for gradient in (False, True)
]  # with the first and the last example of each layer's options
LITERAL = "{!r}f".format
PATTERNS = {"one-hot": (0, 0, 1, 0, 0), "some": (0.25, 0.5, 0, 0.25, 0), "all": (1, 0, 1, 1, 1)}


def arguments(name: str, gradient: bool, attributes: dict[str, Any], dtype: Any) -> list[np.ndarray]:
    """Draw the arrays that an operation reads: x, or dy and x or y."""
    x = np.concatenate([np.random.default_rng(len(name)).normal(0, 3, 50), FAR]).astype(dtype)
    if name in PARTIAL:
        x = np.abs(x) + np.asarray(0.1, dtype)
    if not gradient:
        return [x]
    with np.errstate(all="ignore"):
        y = getattr(reference, name)(x.astype(float), **attributes).astype(dtype)
    dy = np.random.default_rng(1).normal(size=x.shape).astype(dtype)
    return [dy, x if definitions.entry(name)["keeps"] == "x" else y]


def read_by(loss: str, z: np.ndarray) -> np.ndarray:
    """Return scores as a loss reads them: as they are, or as probabilities."""
    if loss.startswith(("softmax", "sigmoid", "correct", "quantile", "huber")) or "error" in loss:
        return z
    return np.exp(z) / np.exp(z).sum(1, keepdims=True)


def compare(found: Any, expected: Any, dtype: Any) -> None:
    """Compare results, each by its own magnitude, but those below 1, of terms that cancel, by their difference."""
    limit = 1e3 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=limit, atol=limit)


@pytest.mark.parametrize(("name", "place", "gradient"), CASES)
def test_a_kernel_computes_the_reference(name: str, place: int, gradient: bool) -> None:
    kind = ELEMENTWISE[name]
    attributes = kind(**kind.examples[place].options).attributes()
    operation = find_operation(name)
    function = operation.function(gradient=gradient)
    assert {*attributes} == {*operation.options}
    arrays = arguments(name, gradient, attributes, np.float64)
    result = np.empty_like(arrays[0])
    with np.errstate(all="ignore"):
        expected = getattr(reference, function)(*arrays, **attributes)
        KERNELS[function].call([array.reshape(2, 31) for array in (*arrays, result)], attributes)
    compare(result, expected, np.float64)


@pytest.mark.parametrize("name", definitions.losses())
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("positions", [(), (2, 3)])
def test_a_kernel_of_a_loss_computes_the_reference(name: str, pattern: str, positions: tuple[int, ...]) -> None:
    draw = np.random.default_rng(len(name))
    t = np.stack([draw.permutation(PATTERNS[pattern]) for _ in range(12)]).reshape(2, 6, 5)[:, : 6 if positions else 1]
    t = np.moveaxis(t, 2, 1).reshape(2, 5, *positions).astype(float, order="C")
    z = draw.normal(size=t.shape) * 3
    p = read_by(name, z)
    expected = getattr(reference, name)(p, t)
    result = np.empty_like(expected, float)
    getattr(loss_kernels, name)(p, t, result)
    assert_close(result, expected, dtype=np.float64)


@pytest.mark.parametrize("name", definitions.pointwise())
def test_a_kernel_of_elements_at_one_place_computes_the_reference(name: str) -> None:
    draw = np.random.default_rng(3)
    count = len(definitions.entry(name)["reads"])
    arrays = [draw.integers(-1, 2, 40).astype(float) for _ in range(count)]
    expected = getattr(reference, name)(*arrays)
    result = np.empty(40)
    getattr(merging, name)(*arrays, result)
    np.testing.assert_array_equal(result, expected)


@cache
def library() -> tuple[Any, Any]:
    """Compile all functions of C; return the library and the folder, which lives as long as the process."""
    import tempfile

    folder = tempfile.TemporaryDirectory()
    kernels = Path(str(c.__path__[0])) / "kernels"
    parts = [(kernels / f"{file}.c").read_text(encoding="utf-8") for file in ("prelude", "exponential")]
    parts += generator.sources(partial(c_source, literal=LITERAL)).values()
    parts += [loss_c_source(name, literal=LITERAL) for name in (*definitions.losses(), *definitions.pointwise())]
    text = "\n".join(["#include <math.h>\n#include <stdint.h>", *parts]).replace("static void", "void")
    file = Path(folder.name) / "all.c"
    file.write_text(text, encoding="utf-8")
    built = file.with_suffix(".so")
    command = ["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
    subprocess.run([*command, "-o", built, file, "-lm"], check=True)
    return ctypes.CDLL(str(built)), folder


def called(name: str, arrays: list[np.ndarray], result: np.ndarray, attributes: dict[str, Any]) -> None:
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*arrays, result)]
    values = [ctypes.c_float(value) for value in attributes.values()]
    getattr(library()[0], C_NAMES.get(name, name))(*pointers, ctypes.c_int(arrays[0].size), *values)


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_functions_of_c_compute_the_reference() -> None:
    for name, place, gradient in CASES:
        kind = ELEMENTWISE[name]
        attributes = kind(**kind.examples[place].options).attributes()
        function = find_operation(name).function(gradient=gradient)
        arrays = arguments(name, gradient, attributes, np.float32)
        result = np.empty_like(arrays[0])
        called(function, arrays, result, {option: attributes[option] for option in find_operation(name).options})
        with np.errstate(all="ignore"):
            expected = getattr(reference, function)(*(array.astype(float) for array in arrays), **attributes)
        known = np.isfinite(expected) & (np.abs(expected) < 1e30)
        np.testing.assert_allclose(result[known], expected[known], rtol=2e-4, atol=1e-5, err_msg=function)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected), err_msg=function)


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_losses_of_c_compute_the_reference(pattern: str) -> None:
    t = np.array(PATTERNS[pattern])[None]
    for name in definitions.losses():
        z = np.random.default_rng(len(name)).normal(size=(1, 5)) * 3
        p = read_by(name, z)
        expected = getattr(reference, name)(p, t)
        result = np.empty(expected.shape, np.float32)
        parameters = inspect.signature(getattr(reference, name)).parameters.values()
        attributes = {option.name: option.default for option in parameters if isinstance(option.default, float)}
        called(name, [p.astype(np.float32), t.astype(np.float32)], result, attributes)
        assert_close(result, expected, error=1e-4, name=name)


def test_the_files_of_the_page_are_those_that_the_operations_give() -> None:
    written = {"reference.js": javascript.module(), "formula_functions.js": javascript.formula_functions()}
    for name, text in written.items():
        assert (javascript.FOLDER / name).read_text(encoding="utf-8") == text, "run make generated"
