"""The files of an exported network: they compile without a warning anywhere, and the example classifies an image."""

import json
import platform
import re
import shutil
import subprocess
import tempfile
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from interop.c.compiled import RUN, STRICT, VARIABLES, needs, of_integers, run_main, wide
from numerical import assert_close
from numpy.typing import NDArray
from selection import draws

import chainrule as cr
from chainrule import zoo
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.interop.c import Quantized, wasm, write_c
from chainrule.layers.node import is_name
from chainrule.models.model import Model

ARM = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-Os")
COMPILERS = (
    ("gcc", ("-O2",)),
    ("gcc", ("-O2", "-march=native")),
    ("clang", ("-O2", "-march=native")),
    ("arm-none-eabi-gcc", ARM),
    ("riscv64-unknown-elf-gcc", ("-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs", "-O2")),
)
EVERYTHING = (
    *(cr.Conv2D(9, 3, padding="same", stride=2), cr.BatchNorm2D(), cr.ReLU(), cr.Conv2D(9, 2, groups=9)),
    *(cr.MaxPool2D(2, padding=1), cr.AveragePool2D(2), cr.GroupNorm(3), cr.LocalResponseNorm(3), cr.PReLU()),
    *(cr.ConvTranspose2D(4, 3), cr.Conv2D(6, 2, groups=2), cr.UpSample2D(2, mode="bilinear"), cr.Pad2D(1)),
    *(cr.Crop2D(1), cr.Permute((1, 2, 0)), cr.Flatten(), cr.GELU(), cr.ExactGELU(), cr.ELU(), cr.Softplus()),
    *(cr.Tanh(), cr.Arctan(), cr.Shrink(), cr.Rescaling(2.0), cr.Dense(3, bias=False), cr.Softmax()),
)
WIDE = wide(32, 32, (16, 16), "same")  # Winograd's algorithm pays where there are vectors


def of_everything(**options: Any) -> Model:
    return cr.Sequential(EVERYTHING, (2, 12, 12), engine="numpy", **options)


@pytest.mark.parametrize(("compiler", "flags"), COMPILERS)
def test_no_compiler_warns(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    for number, (model, more) in enumerate(((of_everything(), ()), (WIDE, ("-O0",)), (of_integers(), ()))):
        quantized = Quantized(model, np.ones((1, *model.input_shape))) if model.name == "integers" else None
        write_c(model, tmp_path, name=f"net{number}", int8=quantized)
        command = [compiler, *STRICT, *flags, *more, "-c", f"net{number}.c"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_only_math_h_is_needed_and_no_memory_is_allocated(tmp_path: Path) -> None:
    write_c(of_everything(), tmp_path)
    source = (tmp_path / "network.c").read_text()
    included = set(re.findall(r"#include (\S+)", source))
    assert included == {"<math.h>", "<stdint.h>", '"network.h"'}  # stdint.h: names of types alone
    assert not re.search(r"\b(malloc|calloc|alloca|memcpy|memset)\b", source)


def test_another_network_needs_another_name(tmp_path: Path) -> None:
    """Training and options of the export make no other network; another shape, layer or class does."""
    layers, classes = (cr.Flatten(), cr.Dense(2), cr.Softmax()), ["a", "b"]
    model = cr.Sequential(layers, (1, 2, 3), classes=classes, engine="numpy")
    write_c(model, tmp_path)
    model.fit(np.random.default_rng(0).random((40, 1, 2, 3)), np.arange(40) % 2, epochs=1, progress=False)
    for options in ({}, {"int8": Quantized(model, np.ones((1, 1, 2, 3)))}):
        write_c(model, tmp_path, **options)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for other in (
        cr.Sequential(layers, (1, 3, 2), classes=classes, engine="numpy"),
        cr.Sequential((*layers[:2], cr.Sigmoid()), (1, 2, 3), classes=classes, engine="numpy"),
        cr.Sequential(layers, (1, 2, 3), classes=classes[::-1], engine="numpy"),
    ):
        with pytest.raises(OptionError, match="--name"):
            write_c(other, tmp_path)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    write_c(other, tmp_path, name="other")
    assert (tmp_path / "network.c").read_bytes() == before["network.c"]


@needs("gcc")
@pytest.mark.parametrize("model", [zoo.find("vanilla-cnn").build(engine="numpy"), WIDE], ids=["narrow", "wide"])
def test_sizes_are_those_of_the_object_file(tmp_path: Path, model: Model) -> None:
    """With vectors and without: then the file holds no kernels that only vectors need. No variables are written."""
    written = write_c(model, tmp_path)
    header = (tmp_path / "network.h").read_text()
    for sizes, flags in ((written.plain, ("-DNETWORK_PLAIN",)), ((written.constants, written.arena), ())):
        if flags or platform.machine() in ("x86_64", "aarch64"):  # which always have vectors
            held = symbols(tmp_path, *flags)
            assert sum(size for (_, name), size in held.items() if re.search(r"_[wb]\d*$", name)) == sizes[0]
            assert {kind for kind, _ in held} == {*"RrTt"}
        assert all(f"_BYTES {size}\n" in header for size in sizes)
    larger = [first - second for first, second in zip((written.constants, written.arena), written.plain, strict=True)]
    assert all(larger) == any(larger) == ("winograd" in (tmp_path / "network.c").read_text())


def symbols(folder: Path, *flags: str) -> dict[tuple[str, str], int]:
    """Return the bytes of each symbol of a compiled network, by its type in `nm` and its name."""
    subprocess.run(["gcc", *STRICT, "-O0", "-fno-pic", *flags, "-c", "network.c"], cwd=folder, check=True)
    result = subprocess.run(["nm", "-S", "network.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
    return {(kind, name): int(size, 16) for size, kind, name in re.findall(r"^\w+ (\w+) (\w) (\w+)$", result, re.M)}


@needs("make", "gcc")
@pytest.mark.parametrize(
    ("task", "channels"), [("classification", 3), ("binary", 1), ("multi-label", 1), ("regression", 2)]
)
def test_the_example_prints_what_the_task_asks_for(tmp_path: Path, task: str, channels: int) -> None:
    """One label is printed, with one output that of a half or more; numbers and several labels follow one by one."""
    outputs = 1 if task == "binary" else 3
    x = np.random.default_rng(3).integers(0, 256, (10, channels, 4, 5)).astype(np.uint8)
    ending = {"classification": [cr.Softmax()], "regression": []}.get(task, [cr.Sigmoid()])
    classes = ["no", "yes"] if task == "binary" else ['a quoted \\ "one"', "what??!", "größer"]
    loss = "mean_squared_error" if task == "regression" else None
    layers = (cr.Flatten(), cr.Dense(outputs), *ending)
    model = cr.Sequential(layers, (channels, 4, 5), classes=classes, loss=loss, engine="numpy")
    y = np.arange(10) % 3 if task == "classification" else np.random.default_rng(4).integers(0, 2, (10, outputs))
    model.fit(x, y.astype(float), epochs=1, normalization="standardize", progress=False)
    assert model.task is not None
    assert model.task.name == task
    write_c(model, tmp_path)
    subprocess.run(["make", "CC=gcc", "CFLAGS=-O1"], cwd=tmp_path, check=True, capture_output=True)
    actual = set[str]()
    for image, expected in zip(x, model.predict(x).reshape(10, -1), strict=True):
        text = classify(tmp_path, image).splitlines()
        if task == "multi-label":  # and whether each label applies
            assert [line[-2:] for line in text] == [f" {int(value >= 0.5)}" for value in expected]
            text = [line[:-2] for line in text]
        lines = [line.rpartition(" ") for line in text]
        label = int(expected.argmax() if outputs > 1 else expected[0] >= 0.5)
        names, numbers = (
            (classes, expected) if task in ("multi-label", "regression") else ([classes[label]], [expected.max()])
        )
        assert [line[0] for line in lines] == names
        assert_close([float(line[2]) for line in lines], numbers, 300)
        actual |= {*names}
    assert actual == {*classes}


def classify(folder: Path, image: NDArray[np.uint8]) -> str:
    header = f"P{5 + (len(image) == 3)}\n# a comment\n{image.shape[2]} {image.shape[1]}\n255\n"
    pixels = header.encode() + np.moveaxis(image, 0, -1).tobytes()
    numbers = " ".join(map(str, image.ravel())).encode()  # images have 1 or 3 channels
    (folder / "image.ppm").write_bytes(numbers if len(image) == 2 else pixels)
    for names, problem in [([], "usage: ./example IMAGE"), (["missing.pgm"], "cannot open missing.pgm")]:
        refused = run_example(folder, *names)
        assert (refused.returncode, refused.stderr.startswith(problem)) == (2, True)
    return run_example(folder, "image.ppm").stdout.strip()


def run_example(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["./example", *arguments], cwd=folder, capture_output=True, text=True, check=False)


@needs("make", "gcc")
@pytest.mark.parametrize("io", ["float", "int8", "uint8"])
def test_the_self_test_notices_other_weights(tmp_path: Path, io: str) -> None:
    model, x = of_integers(), np.random.default_rng(1).normal([[[0]], [[5]]], [[[1]], [[9]]], size=(9, 2, 12, 12))
    model.normalization = Normalization.fit("standardize", x)
    write_c(model, tmp_path, int8=Quantized(model, x, io=io))
    source = tmp_path / "network.c"
    written = source.read_text()
    before, weights, after = re.split(r"(?<=dense2_y_w\[16\] = \{)([^}]*)", written)
    damaged = before + ",".join(reversed(weights.strip(" \n,").split(","))) + after
    for text, result in ((written, ("passed\n", 0)), (damaged, ("failed\n", 1))):
        source.write_text(text)
        subprocess.run(["make", "-B", "CC=gcc", "CFLAGS=-O1"], cwd=tmp_path, check=True, capture_output=True)
        done = run_example(tmp_path, "--selftest")
        assert (done.stdout, done.returncode) == result


@needs("make", "gcc")
def test_the_self_test_accepts_the_same_infinities_and_nan(tmp_path: Path) -> None:
    x = cr.Input((4,))
    y = cr.Concatenate()(cr.FixedValue((4,))(x), cr.Tanh()(x))
    model = cr.Graph(x, y, engine="numpy")
    model.weights["constant1.b"][:] = [1, np.inf, -np.inf, np.nan]
    write_c(model, tmp_path)
    source = tmp_path / "network.c"
    written = source.read_text()
    for text, result in ((written, "passed\n"), (written.replace("-INFINITY,", "NAN,", 1), "failed\n")):
        source.write_text(text)
        subprocess.run(["make", "-B", "CC=gcc", "CFLAGS=-O1"], cwd=tmp_path, check=True, capture_output=True)
        assert run_example(tmp_path, "--selftest").stdout == result


@needs("gcc")
def test_the_stated_ram_is_that_of_the_program(tmp_path: Path) -> None:
    """Variables are in the object file; the caller passes the others."""
    model = cr.Sequential([cr.Dense(12), cr.ReLU(), cr.Dense(3), cr.Softmax()], (40,))
    written = write_c(model, tmp_path)
    (tmp_path / "t.c").write_text(
        '#include "network.h"\n#include <stdio.h>\nint main(void) { printf("%d", NETWORK_RAM_BYTES); }\n'
    )
    subprocess.run(["gcc", "-O1", "network.c", "t.c", "-o", "t", "-lm"], cwd=tmp_path, check=True)
    stated = int(subprocess.run(["./t"], cwd=tmp_path, capture_output=True, check=True).stdout)
    variables = sum(size for (kind, _), size in symbols(tmp_path).items() if kind in "bd")
    assert stated == variables + written.arena + sum(written.ports)


LAYER_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True).filter(is_name)
HOSTILE = st.text(
    st.sampled_from("*/\\\"'<>!-{}$`;?&%()\n\r\t\0\u2028\u202eaé\ud800"), min_size=1, max_size=12
) | st.sampled_from(["*/", "</script><script>injected()</script>", "<!--", '"; injected(); "', "${injected()}", "??/"])
NAMES = HOSTILE | st.sampled_from(["", "a", "A", "a.1", "a_1", "ü"])


def code(text: str) -> str:
    """Return JavaScript without comments, and with empty strings."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda match: '""' if match[0][0] == '"' else " ", text, flags=re.DOTALL)


def page(folder: Path, classes: list[str]) -> Any:
    """Return the code of a module, and the tags and scripts of a page, for a model with these classes.

    The first class is the name of the model, too.
    """
    model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (1, 3, 2), classes=classes, engine="numpy")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("import_optional", "_compile"):  # the compiler may be missing, and is tested elsewhere
            patch.setattr(wasm, name, lambda *_: b"")
        stem = re.sub(r"[/\0\ud800]", "", classes[0]) or "n"
        _, script, document = wasm.write_wasm(model, folder / f"{stem}.wasm")
    module, html = script.read_text(), document.read_text()
    values = re.search(r"classes = (.*);", module)
    assert values is not None
    assert json.loads(values[1]) == [*model.classes]
    scripts, tag = r"(?<=<script>).*?(?=</script>)", r"<[^>]*>"
    texts = re.sub(scripts, "", html, flags=re.DOTALL)
    shown = [*map(unescape, re.split(tag, texts))]
    assert shown.count(stem) == 2 or (stem.isspace() and stem in shown)  # like the space between tags
    return code(module), re.findall(tag, texts), [*map(code, re.findall(scripts, html, re.DOTALL))]


@settings(max_examples=draws(10), deadline=None)
@given(st.lists(HOSTILE, min_size=2, max_size=2, unique=True))
def test_names_from_outside_change_no_code_of_a_page(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as hostile, tempfile.TemporaryDirectory() as plain:
        assert page(Path(hostile), names) == page(Path(plain), ["first", "second"])


@needs("gcc", "g++")
@settings(max_examples=draws(3), deadline=None)
@given(st.lists(LAYER_NAMES, min_size=5, max_size=5, unique=True), st.lists(NAMES, min_size=3, max_size=3, unique=True))
@example([*"abcde"], ["*/", "/*", "??/"])
def test_any_names_give_macros_that_a_caller_in_cpp_can_read(layers: list[str], ends: list[str]) -> None:
    inputs = [cr.Input((size,), name=name) for size, name in zip((3, 2), layers[:2], strict=True)]
    ports = [cr.Dense(n + 2)(inputs[n % 2], name=name) for n, name in enumerate(layers[2:])]
    model = cr.Graph(inputs, dict(zip(ends, ports, strict=True)), engine="numpy")
    x = np.random.default_rng(1).standard_normal((2, 5)).astype("f4")
    expected = np.hstack([*model.predict({layers[0]: x[:, :3], layers[1]: x[:, 3:]}).values()])
    trained = cr.Graph(
        inputs, cr.Concatenate()(*ports), engine="numpy", classes=[f"{ends[n % 3]}{n}" for n in range(9)]
    )
    with tempfile.TemporaryDirectory() as folder:
        write_c(model, folder)
        write_c(trained, folder, name="trained")
        macros = re.findall(r"#define (NETWORK_(?:IN|OUT)PUT_\w+)", (Path(folder) / "network.h").read_text())
        subprocess.run(["gcc", *STRICT, "-O0", "-c", "network.c", "trained.c"], cwd=folder, check=True)
        runs = [RUN.format(name="network", count=2, inputs=5, outputs=9)]
        runs.append("    if (!trained_classes[0])\n        return 3;")
        runs += [f"    outputs[0] = {macro};\n    fwrite(outputs, sizeof(float), 1, stdout);" for macro in macros]
        shapes, variables = [(2, 9), (5,)], VARIABLES.format(inputs=5, outputs=9)
        results, offsets = run_main(
            Path(folder), ["network", "trained"], variables, runs, x.tobytes(), shapes, (), "g++"
        )
    assert_close(results, expected)
    assert offsets.tolist() == [0, 3, 0, 2, 5]


def test_every_file_names_the_version_and_the_hash_of_the_source(tmp_path: Path) -> None:
    hashes = set[str]()
    for seed in (0, 1, 0):
        names = write_c(cr.Sequential([cr.Dense(2)], (3,), engine="numpy", seed=seed), tmp_path).names
        source = (tmp_path / "network.c").read_text().partition("\n")[2]
        digest = sha256(source.encode()).hexdigest()[:16]
        for name in names:
            text = (tmp_path / name).read_text()
            assert f"{cr.__version__}, {digest}" in text
            assert re.search(r"^\W*SPDX-License-Identifier: MIT\b", text, re.M)
        hashes.add(digest)
    assert len(hashes) == 2
