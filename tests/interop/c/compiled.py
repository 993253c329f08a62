"""Exported networks compiled into one program, which is given images and gives their outputs."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.interop.c import Quantized, program, write_c
from chainrule.models.model import Model

Array = NDArray[Any]
STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
SANITIZED = ("-O0", "-g0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
INT8_FLAGS = ("-O1", *SANITIZED[1:])
NATIVE = ("-O2", "-march=native", "-ffp-contract=fast")

MAIN = """#include <stdio.h>
{includes}
{variables}

int main(void)
{{
{runs}
    return 0;
}}
"""
VARIABLES = "static float image[{inputs}], outputs[{outputs}];"
ARENA = """#if defined(NETWORK_PLAIN) && defined({macro}_PLAIN_ARENA_BYTES)
float {name}_arena[{macro}_PLAIN_ARENA_BYTES / sizeof(float)];
#else
float {name}_arena[{macro}_ARENA_BYTES / sizeof(float)];
#endif"""
RUN = """    if (!{name}_selftest({name}_arena, image, outputs))
        return 2;
    for (int n = 0; n < {count}; n++) {{
        if (fread(image, sizeof(float), {inputs}, stdin) != {inputs})
            return 1;
        {name}_run({name}_arena, image, outputs);
        fwrite(outputs, sizeof(float), {outputs}, stdout);
    }}"""


def needs(*programs: str) -> pytest.MarkDecorator:
    """Return the mark of tests that are skipped unless these programs are installed."""
    return pytest.mark.skipif(not all(map(shutil.which, programs)), reason=f"needs {' and '.join(programs)}")


def run_main(
    folder: Path,
    names: Sequence[str],
    variables: str,
    runs: Sequence[str],
    given: bytes,
    shapes: Sequence[tuple[int, ...]],
    flags: Sequence[str],
    compiler: str = "gcc",
) -> list[Array]:
    """Compile a program of exported networks, run it, and return the numbers that it prints in these shapes.

    names             names of the networks, whose files are in the folder
    variables, runs   declarations and statements of the program
    given             input of the program
    compiler          gcc, or g++ for a program in C++ with the object files of the networks
    """
    includes = "\n".join(f'#include "{name}.h"' for name in names)
    variables = "\n".join([variables, *(ARENA.format(name=name, macro=name.upper()) for name in names)])
    main, suffix = ("main.cpp", "o") if compiler == "g++" else ("main.c", "c")
    (folder / main).write_text(MAIN.format(includes=includes, variables=variables, runs="\n".join(runs)))
    built = build(folder, [main, *(f"{name}.{suffix}" for name in names)], flags, compiler)
    done = subprocess.run([built], input=given, capture_output=True, check=True)
    return split(np.frombuffer(done.stdout, np.float32), shapes)


def outputs(
    folder: Path,
    models: Sequence[Model],
    images: Sequence[Array],
    flags: Sequence[str],
    integers: Sequence[Quantized | None] | None = None,
) -> list[Array]:
    """Return the outputs of every network for its images (N, …), computed by one program; warnings are errors.

    integers   the networks with int8 arithmetic; None: they compute with floats
    """
    names = [f"net{number}" for number in range(len(models))]
    for name, model, quantized in zip(names, models, integers or [None] * len(models), strict=True):
        write_c(model, folder, name=name, int8=quantized)
    runs = [
        RUN.format(name=name, count=len(x), inputs=x[0].size, outputs=model.plan().output.size)
        for name, model, x in zip(names, models, images, strict=True)
    ]
    shapes = [(len(x), model.plan().output.size) for model, x in zip(models, images, strict=True)]
    variables = VARIABLES.format(inputs=max(x[0].size for x in images), outputs=max(size for _, size in shapes))
    given = b"".join(np.ascontiguousarray(x, np.float32).tobytes() for x in images)
    return run_main(folder, names, variables, runs, given, shapes, flags)


def int8_outputs(folder: Path, model: Model, x: Array, integers: Quantized | None = None) -> Array:
    """Return the outputs of the int8 program of a network; without `integers`, with the network's own scales."""
    return outputs(folder, [model], [x], INT8_FLAGS, [integers or Quantized(model)])[0]


def of_integers(**options: Any) -> Model:
    """Return a network that integers can compute."""
    layers = (
        *(cr.Conv2D(9, 3), cr.ReLU(), cr.Conv2D(9, 3, groups=9), cr.MaxPool2D(2), cr.AveragePool2D(2)),
        *(cr.Permute((1, 2, 0)), cr.Flatten(), cr.Dense(3), cr.Tanh(), cr.Dense(3), cr.Softmax()),
    )
    return cr.Sequential(layers, (2, 12, 12), engine="numpy", name="integers", **options)


def wide(channels: int, filters: int, size: tuple[int, int], padding: Any, **options: Any) -> Model:
    """Return a convolution, and one to which the result of the first is added before a ReLU."""
    x = cr.Input((channels, *size))
    y = cr.ReLU()(cr.Conv2D(filters, 3, padding=padding, **options)(x))
    z = cr.ReLU()(cr.Add()(y, cr.BatchNorm2D()(cr.Conv2D(filters, 3, padding="same")(y))))
    return cr.Graph(x, z, engine="numpy", seed=filters)


def called(model: Model) -> set[str]:
    """Return the names of the C functions that a model calls."""
    return {call.function for call in program.inference(model.plan(), model.weights, model.normalization).calls}


def covering(models: Iterable[Model]) -> list[int]:
    """Return numbers of models that together call every C function that any of them calls: the richest first."""
    functions = [*map(called, models)]
    missing, chosen = set[str]().union(*functions), list[int]()
    while missing:
        chosen.append(max(range(len(functions)), key=lambda number: len(functions[number] & missing)))
        missing -= functions[chosen[-1]]
    return chosen


def build(folder: Path, sources: Sequence[str], flags: Sequence[str], compiler: str = "gcc") -> Path:
    """Compile files of a folder to a program, and return its path."""
    built = folder / "program"
    strict = ("-std=c++11", *STRICT[1:]) if compiler == "g++" else STRICT
    command = [compiler, *strict, *flags, *sources, "-o", str(built), "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    return built


def library(folder: Path) -> Callable[..., None]:
    """Compile the network of a folder to a library, and return its function of arena, image and outputs."""
    command = ["gcc", *STRICT, "-O1", "-shared", "-fPIC", "network.c", "-o", "network.so", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    run: Any = ctypes.CDLL(str(folder / "network.so")).network_run
    return lambda *arrays: run(*(array.ctypes.data_as(ctypes.c_void_p) for array in arrays))


def split(values: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Return parts of a flat array in these shapes, one after the other."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    assert values.size == ends[-1]
    return [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)]
