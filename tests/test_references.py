"""References in the documentation and in docstrings: the targets, commands, options, paths and names exist.

And the names of classes are unique.

Everything is derived from the source tree, so that moved modules need no change here.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from docs.pages import ROOT, resolved
from mutation.__main__ import main as mutate

import chainrule
from benchmarks.commands import bench
from chainrule.cli import main
from experiments.commands import experiment

PACKAGE = Path(chainrule.__file__).parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
    *sorted((ROOT / "site").glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MODULES = sorted(PACKAGE.rglob("*.py"))
FENCE = re.compile(r"^ *```.*?\n(.*?)^ *```", re.S | re.M)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
WORD = re.compile(r"[a-z][\w-]*")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
DOTTED = re.compile(r"[a-z_]\w*(?:\.[A-Za-z_]\w*)+(?=$|\()")
PATH = re.compile(r"[\w.-]+/[\w./-]*")
FILE = re.compile(r"(?<![\w./:<-])[a-z]\w*/(?:\w+/)*\w+\.(?:py|js|toml)\b")
NAME_IN_FILE = re.compile(r"`([\w.]+)`\s+in\s+`([\w./-]+\.(?:py|toml|js))`")
SUFFIX = re.compile(r"py|m?js|toml|json|csv|png|html|css|md|npz|txt|ipynb|onnx|safetensors|[ch]|db|ini|properties")
GENERATED = ("runs/", "build/")  # folders that commands write, which git ignores
OF_READERS = {  # files in the repository of a reader, in exported projects, and to be written
    *(".github/workflows/classroom.yml", "_given.py", "examples/classify", "examples/selftest", "src/main.cpp"),
    *("zephyr/module.yml", "check/courses/NAME.toml", "tests/check/stated/NAME.py"),
}
OPTIONS_OF_OTHERS = {"--oversubscribe", "--allow-run-as-root", "--operand"}  # of mpiexec; a variable of CSS
NAMES_OF_OTHERS = {  # of models in PyTorch and Keras, and of these libraries, after which modules here are named
    *("model.eval", "model.save_weights", "model.state_dict"),
    *("history.val_loss", "keras.applications", "torch.compile", "torch.save", "torch.nn.Module"),
    *("autograd.Function", "torch.autograd.Function"),
}
EXCERPTS = {"mutation.md"}  # quotes changed source code
Checker = Callable[[Path], Iterator[str]]  # from a file to what is wrong in it


@cache
def nodes_of(file: Path) -> list[ast.AST]:
    """Return every node of a module."""
    return [*ast.walk(ast.parse(file.read_text(encoding="utf-8")))]


@cache
def text_of(file: Path) -> str:
    """Return a page, or the docstrings and comments of a module."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        return text
    documented = [node for node in nodes_of(file) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    return "\n".join([*(ast.get_docstring(node) or "" for node in documented), *re.findall(r"# .*", text)])


def spans(file: Path) -> list[str]:
    """Return what is between back-quotes, each in one line."""
    return [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text_of(file)))]


def command_lines(file: Path) -> list[str]:
    """Return the code spans and the lines of code blocks, without comments."""
    lines = [line for block in FENCE.findall(text_of(file)) for line in block.splitlines()]
    return spans(file) + [line.split(" #")[0].strip() for line in lines]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name


def assert_none(problems: Checker, files: list[Path]) -> None:
    """Check that nothing is wrong in any of the files."""
    texts = {name_of(file): sorted({*problems(file)}) for file in files}
    assert {name: wrong for name, wrong in texts.items() if wrong} == {}


# Targets of the Makefile


def missing_targets(file: Path) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([\w./-]+):", makefile, re.M)}
    for line in command_lines(file):
        match = re.match(r"make ([a-z][\w./-]*)", line)
        if match and match[1] not in targets:
            yield line


# Commands and options


def options_of(command: click.Command) -> set[str]:
    return {"--help", "--version"} | {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


@cache
def all_options() -> set[str]:
    """Return the options of every command, of chainrule and of the programs beside it."""

    def below(command: click.Command) -> set[str]:
        names = options_of(command)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                names |= below(command.get_command(context, name) or command)
        return names

    return below(main) | below(bench) | below(experiment) | options_of(mutate)


def missing_options(line: str, command: click.Command) -> Iterator[str]:
    """Find what a command line says after the name of its program, and that does not exist."""
    words = line.split()
    while isinstance(command, click.Group) and words and WORD.fullmatch(words[0]):
        inner = command.get_command(click.Context(command), words[0])
        if inner is None:
            yield words[0]
            return
        command, words = inner, words[1:]
    if not isinstance(command, click.Group):
        yield from {*OPTION.findall(" ".join(words))} - options_of(command)


def missing_commands(file: Path) -> Iterator[str]:
    programs = {"chainrule": main, "python -m benchmarks": bench, "python -m experiments": experiment}
    for line in command_lines(file):
        start = re.match(r"(?:mpiexec -n \w+ )?(chainrule|python -m (?:benchmarks|experiments)) (?=[a-z-])", line)
        if start:
            yield from (f"{line}: {name}" for name in missing_options(line[start.end() :], programs[start[1]]))
        elif line.startswith("--"):
            yield from {*OPTION.findall(line)} - all_options() - OPTIONS_OF_OTHERS


# Paths


@cache
def files() -> list[Path]:
    folders = (*(".ci", ".github", "benchmarks", "docs", "examples", "experiments", "site", "src", "tests"), ".")
    below = [file for name in folders for file in (ROOT / name).glob("*" if name == "." else "**/*")]
    return [file for file in below if "__pycache__" not in file.parts]


@cache
def all_paths() -> set[str]:
    """Return every end of the path of every file and folder, such as layers/convolution.py."""
    parts = [file.relative_to(ROOT).parts for file in files()]
    return {"/".join(path[start:]) for path in parts for start in range(len(path))}


def missing_paths(file: Path) -> Iterator[str]:
    for span in spans(file):
        path = span.rstrip("/")
        is_path = PATH.fullmatch(span) or re.fullmatch(r"[\w.-]+\.(?:py|toml|js)", span)
        if not is_path or span.startswith(GENERATED) or span in OF_READERS:
            continue
        if not {path, f"{path}.py"} & all_paths():
            yield span


def missing_files(file: Path) -> Iterator[str]:
    """Find paths of files, also in comments without back-quotes, that do not exist."""
    yield from {*FILE.findall(text_of(file))} - all_paths()


def missing_places(file: Path) -> Iterator[str]:
    """Find names that a file does not hold: `Operation.scope` in `plan.py` needs both of its parts."""
    for name, path in NAME_IN_FILE.findall(text_of(file)):
        texts = [file.read_text(encoding="utf-8") for file in files() if file.as_posix().endswith(f"/{path}")]
        if not any(all(re.search(rf"\b{part}\b", text) for part in name.split(".")) for text in texts):
            yield f"{name} in {path}"


# Names


@cache
def modules() -> dict[str, list[Path]]:
    """Return the modules of the package by their own name, without the packages that hold them."""
    places: dict[str, list[Path]] = defaultdict(list)
    for file in MODULES:
        places[file.parent.name if file.stem == "__init__" else file.stem].append(file)
    return places


@cache
def names_in(file: Path) -> set[str]:
    """Return the words of a module's code; a package also holds its modules."""
    used = {
        text for node in nodes_of(file) for text in vars(node).values() if isinstance(text, str) and text.isidentifier()
    }
    return used | ({path.stem for path in file.parent.iterdir()} if file.stem == "__init__" else set())


@cache
def libraries() -> set[str]:
    """Return what the package imports from elsewhere: `numpy.where` is not about engines/numpy/."""
    imports = [node for file in MODULES for node in nodes_of(file) if isinstance(node, ast.Import)]
    names = {alias.name for node in imports for alias in node.names}
    return {name.partition(".")[0] for name in names} - {"chainrule"}


@cache
def classes() -> dict[str, list[str]]:
    """Return the files that define a class, by its name."""
    places = defaultdict[str, list[str]](list)
    for file in MODULES:
        for node in nodes_of(file):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name_of(file))
    return places


@cache
def objects() -> set[str]:
    """Return the usual variable names for instances of the package's classes: evaluation, model, …"""
    return {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for name in classes()}


@cache
def every_name() -> set[str]:
    return {name for file in MODULES for name in names_in(file)}


def exists(name: str) -> bool:
    """Return whether a dotted name that begins with a module, or with an instance of a class, resolves."""
    first, *rest = name.split(".")
    if is_public(name):
        return True
    if first in objects():
        return {*rest} <= every_name()
    return any(all(part in names_in(file) for part in rest) for file in modules()[first])


def is_public(name: str) -> bool:
    """Return whether a name below the package resolves; modules are imported."""
    try:
        resolved(name)
    except ImportError:
        return False
    return True


def missing_names(file: Path) -> Iterator[str]:
    if file.name in EXCERPTS:
        return
    for span in spans(file):
        match = DOTTED.match(span)
        if match is None or SUFFIX.fullmatch(match[0].rpartition(".")[2]):
            continue
        first = match[0].partition(".")[0]
        if first in ("cr", "chainrule"):
            if not is_public(match[0].partition(".")[2]):
                yield span
        elif match[0] in NAMES_OF_OTHERS or first in libraries():
            continue
        elif first in modules() and not exists(match[0]):
            yield span


@pytest.mark.parametrize("check", [missing_targets, missing_commands, missing_paths, missing_places, missing_names])
def test_references_of_pages(check: Checker) -> None:
    assert_none(check, PAGES)


@pytest.mark.parametrize("check", [missing_targets, missing_commands, missing_names, missing_files])
def test_references_of_docstrings_and_comments(check: Checker) -> None:
    assert_none(check, [*MODULES, *(sorted(PACKAGE.rglob("*.js")) if check is missing_files else [])])


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("Run `make numba-range`.", missing_targets),
        ("`chainrule bench`", missing_commands),
        ("`chainrule data forget`", missing_commands),
        ("`python -m benchmarks drawn --markdwon PAGE`", missing_commands),
        ("`docs/nothing/`", missing_paths),
        ("as in layers/nothing.py", missing_files),
        ("`nowhere_at_all` in `core/plan.py`", missing_places),
        ("`idx.opened`", missing_names),
        ("`cr.Nothing(3)`", missing_names),
        ("`model.nothing_of_this_name`", missing_names),
    ],
)
def test_a_wrong_reference_is_found(text: str, check: Checker, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert len([*check(page)]) == 1


def test_a_class_name_means_one_class() -> None:
    assert {name: places for name, places in classes().items() if len(places) > 1} == {}
