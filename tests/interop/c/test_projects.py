"""Projects for build systems and microcontrollers: they build, their examples decide as the model, and tests pass.

Headers of boards are replaced by a few declarations, so that the examples run here and read standard input.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interop.c.compiled import needs
from numerical import assert_close
from selection import draws

import chainrule as cr
from chainrule.cli.export import export
from chainrule.errors import OptionError
from chainrule.interop.c import Quantized, write_c
from chainrule.interop.c.projects import PROJECTS, RESERVED
from chainrule.models.model import Model

ARDUINO_HEADER = """#include <cstdio>
struct Port {
    int next = -2;
    void begin(long) {}
    bool available() { if (next == -2) next = std::getchar(); return true; }
    int read() { available(); int letter = next; next = -2; if (letter == EOF) exit(0); return letter; }
    void print(const char *text) { std::fputs(text, stdout); }
    void print(char letter) { std::putchar(letter); }
    void print(float number, int digits) { std::printf("%.*f", digits, (double)number); }
    void println(const char *text) { std::puts(text); }
};
static Port Serial;
inline void delay(long) { exit(0); }
"""
FREERTOS = "static void vTaskDelay(int ticks) { (void)ticks; exit(0); }\n"
CONSOLE = """#include <stdio.h>
static void console_init(void) {}
static int console_getchar(void) { int letter = getchar(); if (letter == EOF) exit(0); return letter; }
"""
PRINTK = "#include <stdio.h>\n#define printk printf\n"
UNITY = """#include <stdio.h>
static int failures;
#define UNITY_BEGIN() (failures = 0)
#define UNITY_END() failures
#define RUN_TEST(function) function()
#define TEST_ASSERT_TRUE(condition) (failures += !(condition))
"""
ZTEST = """#include <stdlib.h>
#include <string.h>
#define ZTEST(suite, name) static void name(void)
#define ZTEST_SUITE(suite, a, b, c, d, e) int main(void) { test_outputs_are_those_recorded_at_export(); return 0; }
#define zassert_true(condition, message) if (!(condition)) exit(1)
"""
HEADERS = {
    "Arduino.h": ARDUINO_HEADER,
    "unity.h": UNITY,
    "freertos/FreeRTOS.h": "",
    "freertos/task.h": FREERTOS,
    "zephyr/console/console.h": CONSOLE,
    "zephyr/sys/printk.h": PRINTK,
    "zephyr/ztest.h": ZTEST,
}
# Folders of the Arduino core for AVR and of arduino-builder in Debian.
ARDUINO = Path("/usr/share/arduino/hardware")
BUILDER = Path("/usr/share/arduino-builder")
SKETCH = "\nint main() { setup(); for (;;) loop(); }\n"
APPLICATION = "\nint main(void) { app_main(); return 0; }\n"
# Form → folder of the network, example, test, and what calls the functions of both.
EMBEDDED = {
    "arduino": ("src", "examples/classify/classify.ino", "examples/selftest/selftest.ino", SKETCH, SKETCH),
    "platformio": ("lib/chainrule_net/src", "src/main.cpp", "test/test_net/test_main.cpp", SKETCH, ""),
    "esp-idf": ("components/chainrule_net", "classify/main/main.c", "selftest/main/main.c", APPLICATION, ""),
    "zephyr": ("src", "sample/src/main.c", "tests/src/main.c", "", ""),
}
KINDS = ("float", "int8", "uint8", "stream")


def network(seed: int, kind: str) -> tuple[Model, dict[str, Any]]:
    """Return a network of random sizes, and the options of its export."""
    draw = np.random.default_rng(seed)
    classes = ['a "b"', "größer", "c%d"][: int(draw.integers(2, 4))]
    ending = (cr.Flatten(), cr.Dense(len(classes)), cr.Softmax())
    if kind == "stream":
        layers = (cr.Conv1D(3, 3), cr.ReLU(), *ending)
        return cr.Sequential(layers, (2, 7), classes=classes, engine="numpy", seed=seed), {"stream": True}
    shape = (1, *map(int, draw.integers(5, 8, 2)))
    model = cr.Sequential((cr.Conv2D(3, 3), cr.ReLU(), *ending), shape, classes=classes, engine="numpy", seed=seed)
    if kind == "float":
        return model, {}
    images = draw.normal(size=(20, *shape)).astype(np.float32)
    return model, {"int8": Quantized(model, images, io=kind)}


def compiled(folder: Path, sources: str, program: str, calls: str, *, flags: tuple[str, ...] = ()) -> Path:
    """Compile a program of a project with its network, and return its path."""
    headers = folder / "headers"
    for name, text in HEADERS.items():
        (headers / name).parent.mkdir(parents=True, exist_ok=True)
        (headers / name).write_text(text)
    is_c = program.endswith(".c")
    main = folder / ("run.c" if is_c else "run.cpp")
    main.write_text("#include <stdlib.h>\n" + (folder / program).read_text() + calls)
    include = (f"-I{headers}", f"-I{folder / sources}")
    built, library = folder / "program", folder / "net.o"
    subprocess.run(
        ["gcc", "-std=c99", "-O1", *include, *flags, "-c", folder / sources / "net.c", "-o", library], check=True
    )
    compiler = ("gcc", "-std=gnu11") if is_c else ("g++", "-std=gnu++11")
    command = [*compiler, "-Wall", "-Wextra", "-Werror", *include, *flags, main, library, "-o", built, "-lm"]
    run(*command)
    return built


@needs("gcc", "g++")
@pytest.mark.parametrize("project", EMBEDDED)
@settings(max_examples=draws(3), deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 10**6))
def test_examples_print_the_answers_of_the_model(
    project: str, kind: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The example reads several inputs one after the other, as the serial port of a board delivers them."""
    folder = tmp_path_factory.mktemp("project")
    model, options = network(seed, kind)
    write_c(model, folder, name="net", project=project, **options)
    sources, example, _, calls, _ = EMBEDDED[project]
    built = compiled(folder, sources, example, calls, flags=("-D" + project.replace("-idf", "").upper(),))
    x = np.random.default_rng(seed + 1).normal(size=(4, *model.input_shape)).astype(np.float32)
    if kind == "stream":  # one sample of both channels at a time; the last answer is that for the whole window
        text = " ".join(map(str, x[0].T.reshape(-1).tolist()))
        expected = model.predict(x[:1])
    else:
        expected = (options.get("int8") or model).predict(x)
        if kind in ("int8", "uint8"):
            x = np.moveaxis(x, 1, -1)  # channels side by side
        text = "\r\n".join(" ".join(map(str, image.reshape(-1).tolist())) for image in x)
    done = subprocess.run([built], input=text + "\n", capture_output=True, text=True, timeout=20)
    first, *lines = done.stdout.splitlines()
    assert re.fullmatch(r"send \d+ numbers", first)
    answers = [line.rpartition(" ")[::2] for line in lines][-len(expected) :]
    assert len(answers) == len(expected)
    for (name, output), row in zip(answers, expected, strict=True):
        assert_close(float(output), row.max(), 1000)
        assert row[model.classes.index(name)] == row.max()


@needs("gcc", "g++")
@pytest.mark.parametrize("project", EMBEDDED)
def test_examples_print_text_that_is_not_a_number(project: str, tmp_path: Path) -> None:
    """A serial port without flow control can lose characters: another number must not be read unnoticed."""
    model, options = network(15, "float")
    write_c(model, tmp_path, name="net", project=project, **options)
    sources, example, _, calls, _ = EMBEDDED[project]
    built = compiled(tmp_path, sources, example, calls, flags=("-D" + project.replace("-idf", "").upper(),))
    size = int(np.prod(model.input_shape))
    for damaged_number in ("0.5~", "1,2", "-", "0.1.2"):
        text = " ".join(["-1.5e-1", damaged_number, *["0.25"] * (2 * size - 2)])
        done = subprocess.run([built], input=text + "\n", capture_output=True, text=True, timeout=20)
        _, *lines = done.stdout.splitlines()
        assert len(lines) == 3
        assert lines[0].startswith(damaged_number + " ")


@needs("gcc", "g++")
@pytest.mark.parametrize("project", EMBEDDED)
@pytest.mark.parametrize("kind", ["float", "uint8", "stream"])
def test_tests_pass_and_detect_damaged_constants(project: str, kind: str, tmp_path: Path) -> None:
    model, options = network(3, kind)
    write_c(model, tmp_path, name="net", project=project, **options)
    sources, _, test, _, calls = EMBEDDED[project]
    if project == "esp-idf":
        calls = "\nint main(void) { app_main(); return failures; }\n"
    flag = ("-DESP_PLATFORM",) if project == "esp-idf" else ()
    file = tmp_path / sources / "net.c"
    versions = [(file.read_text(), True)]
    if kind == "float":
        versions.append((damaged(file.read_text()), False))
    for text, passes in versions:
        file.write_text(text)
        done = subprocess.run([compiled(tmp_path, sources, test, calls, flags=flag)], capture_output=True, text=True)
        if project == "arduino":
            assert done.stdout == ("passed\n" if passes else "failed\n")
        else:
            assert (done.returncode == 0) == passes


@needs("arduino-builder", "avr-gcc", "simavr")
@pytest.mark.skipif(not ARDUINO.is_dir(), reason="needs arduino-core-avr")
@pytest.mark.parametrize("kind", KINDS)
def test_arduino_builder_builds_the_sketches_and_simavr_runs_the_test(kind: str, tmp_path: Path) -> None:
    """All tools are packages of Debian. The C library of AVR has few functions, and its `int` has 16 bits."""
    folder = tmp_path / "chainrule_net"
    if kind == "float":
        activations = (cr.Softplus(), cr.Mish(), cr.Tanh(), cr.ELU(), cr.GELU(), cr.SELU(), cr.Arctan())
        model, options = cr.Sequential((cr.Dense(3), *activations, cr.Dense(2)), (4,), engine="numpy", seed=1), {}
    else:
        model, options = network(17, kind)
    write_c(model, folder, name="net", project="arduino", **options)
    arduino_program(folder, "classify")
    file = folder / "src" / "net.c"
    versions = {file.read_text(): "passed"}
    if kind == "float":
        versions[damaged(file.read_text())] = "failed"
    for text, result in versions.items():
        file.write_text(text)
        program = arduino_program(folder, "selftest")
        # The sketch repeats the test forever. simavr prints what it sends as an error.
        with subprocess.Popen(["simavr", "-m", "atmega2560", program], stderr=subprocess.PIPE, text=True) as simulator:
            assert simulator.stderr is not None
            first = simulator.stderr.readline()
            simulator.kill()
        assert result in first


def arduino_program(folder: Path, sketch: str) -> Path:
    """Build an example of an Arduino library as the IDE does, and return the program for an Arduino Mega."""
    build = folder.parent / sketch
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir()
    tools = ("-hardware", ARDUINO, "-hardware", BUILDER, "-tools", "/usr/bin", "-libraries", folder.parent)
    # The compiler that Debian has (5.4) lacks a macro that its Arduino core uses.
    macro = "-prefs=compiler.cpp.extra_flags=-DDECIMAL_DIG=__DECIMAL_DIG__"
    board = ("-fqbn", "arduino:avr:mega:cpu=atmega2560")
    cache = folder.parent / "cache"  # of the compiled core
    cache.mkdir(exist_ok=True)
    output = ("-quiet", "-build-cache", cache, "-build-path", build)
    run("arduino-builder", *tools, *board, macro, *output, folder / "examples" / sketch / f"{sketch}.ino")
    return build / f"{sketch}.ino.elf"


def damaged(source: str) -> str:
    """Return the code of a network whose recorded outputs are all changed."""
    pattern = r"(recorded\[\] = \{)([^}]*)\}"
    return re.sub(pattern, lambda match: f"{match[1]}{', '.join(f'100 - {x}' for x in match[2].split(', '))}}}", source)


@needs("cmake", "ctest", "gcc")
@pytest.mark.parametrize("project", ["make", "cmake"])
@pytest.mark.parametrize("kind", ["float", "stream"])
def test_cmake_builds_tests_and_installs(project: str, kind: str, tmp_path: Path) -> None:
    """Another project finds the installed library, and the folder has a name with a space."""
    folder, build, prefix = tmp_path / "my network", tmp_path / "build", tmp_path / "installed"
    model, options = network(5, kind)
    write_c(model, folder, name="net", project=project, **options)
    assert (folder / "Makefile").exists() == (project == "make")
    run("cmake", "-S", folder, "-B", build, f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run("cmake", "--build", build)
    assert "100% tests passed, 0 tests failed out of 1" in run("ctest", "--test-dir", build)
    run("cmake", "--install", build)
    user = tmp_path / "user"
    user.mkdir()
    (user / "main.c").write_text(
        "#include <net.h>\nstatic float arena[NET_ARENA_BYTES / 4], image[NET_INPUTS], outputs[NET_OUTPUTS];\n"
        "int main(void) { return !net_selftest(arena, image, outputs); }\n"
    )
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.10)\nproject(user C)\nfind_package(chainrule_net REQUIRED)\n"
        "add_executable(user main.c)\ntarget_link_libraries(user PRIVATE chainrule_net::net)\n"
    )
    run("cmake", "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", user / "build")
    run(user / "build" / "user")


def run(*command: str | os.PathLike[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("project", PROJECTS)
def test_a_project_is_written_again_but_not_over_other_files(project: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    model, options = network(11, "float")
    names = write_c(model, folder, project=project, **options).names
    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == {*names}
    assert write_c(model, folder, project=project, **options).names == names
    for name in names:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(b"all:\xff\n")
        with pytest.raises(OptionError, match=re.escape(name)):
            write_c(model, folder, project=project, **options)
        assert (folder / name).read_bytes() == b"all:\xff\n"
        (folder / name).write_bytes(content)
    if project == "platformio":
        library = json.loads((folder / "lib/chainrule_network/library.json").read_text())
        assert {"name", "version", "description", "license"} <= library.keys()


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("name", ["float", "string", "main", "con", "arduino", "Net", "my-net", "1net", "a b", ""])
def test_names_that_a_tool_does_not_accept_are_refused(project: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="name"):
        write_c(network(0, "float")[0], tmp_path / "new", name=name, project=project)
    assert not (tmp_path / "new").exists()


def test_the_command_offers_all_projects() -> None:
    (option,) = [option for option in export.params if option.name == "project"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(PROJECTS)


def test_headers_of_c_are_reserved(tmp_path: Path) -> None:
    """A header with the name of one of C's would replace it, since the folder is searched first."""
    included = re.findall(r"#include <(\w+)\.h>", "".join(map(str, HEADERS.values())))
    assert {*included} <= RESERVED
    with pytest.raises(OptionError, match="project"):
        write_c(network(0, "float")[0], tmp_path, project="keil")


@pytest.mark.parametrize("folder", ["my net", "größe", "a" * 64, "-net"])
def test_folders_that_the_tools_do_not_accept_are_refused(folder: str, tmp_path: Path) -> None:
    for project, form in PROJECTS.items():
        if form.is_embedded:
            with pytest.raises(OptionError, match="folder"):
                write_c(network(0, "float")[0], tmp_path / folder, project=project)
        else:
            write_c(network(0, "float")[0], tmp_path / folder, project=project)


def test_the_stack_of_examples_exceeds_that_of_the_network(tmp_path: Path) -> None:
    for kind in ("float", "uint8", "stream"):
        network_model, options = network(13, kind)
        for project, file in (("esp-idf", "classify/sdkconfig.defaults"), ("zephyr", "sample/prj.conf")):
            folder = tmp_path / f"{project}-{kind}"
            report = write_c(network_model, folder, project=project, **options).report
            assert report is not None
            configured = re.search(r"STACK_SIZE=(\d+)$", (folder / file).read_text(), re.M)
            assert configured is not None
            assert int(configured[1]) >= report.stack + 2048
