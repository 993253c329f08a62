"""Command lines of every command: options in and out of range, unknown names, paths that are not files."""

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from random import Random
from unittest.mock import patch

import click
from fuzz.campaign import Format
from fuzz.commands import command
from fuzz.formats import runs
from PIL import Image

from chainrule.cli import main
from chainrule.errors import DataError

WORK = (  # a command's work after its options are parsed, which would take long, open a browser or run code
    "chainrule.runs.running.start",
    "chainrule.runs.running.resume",
    "chainrule.check.checker.check_gradients",
    "chainrule.check.homework.grade",
    "chainrule.check.host.available_protection",
    "chainrule.check.sources.load",
    "chainrule.web.launch.serve",
    "chainrule.web.single_file.write",
)
MAX_WORDS = 200  # of a command: thousands of images take minutes, as they should
ONLY_PARSED = ("zoo", "data", "import", "export", "docs")  # the others run
NUMBERS = (
    *("0", "1", "2", "-1", "+3", "1_000", "1e3", "0x10", "٣", " 1", "1.5", ".5", "0.1", "nan", "inf", "-inf", "1e400"),
    *("9223372036854775807", "9223372036854775808", "1000000000", "9" * 400, "9" * 5000, "", "--", "1\n2"),
)
NAMES = (
    *("mnist", "mnits", "numpy-cnn", "mlp", "adam", "sgd", "numpy", "reference", "cuda", "float32", "float64", "scale"),
    *("best", "tutorial", "cosine", "one-cycle", "shift=2", "rotation=nan", "shift=" + "9" * 400, "28x28", "1_0x3"),
    *("9" * 400 + "x3", "half_squared_error", "Conv2D(4, 3)", "Conv2D(" + "(" * 300, "Dense(" + "9" * 400 + ")"),
    *("3,7,6", "9" * 400, "٣,٣,٣", "conv1.w[0,0,0,0]", "conv1.w[" + "9" * 400 + "]", "dense1.dw[1,1]", "nothing.x[0]"),
    *(
        "bash",
        "all",
        "\ud800",
        "é" * 300,
        "x" * 16_000,
        "\x1b[2Jx",
        "a\nb",
        "%s%n",
        "[red]x",
        "cr.ReLU()",
        "digits.py:A",
    ),
)
PATHS = (
    *("run", "run/model.safetensors", "model.safetensors", "tiny.npz", "photo.png", "pictures", "fifo", "null", "zero"),
    *("full", "empty", "loop", ".", "..", "nowhere", "nowhere/x", "~nobody-has-this-name/x", "a\nb.png", "\x1b[2J.png"),
    *("x" * 300, "x/" * 3000, "photo.png/x", "socket", "code.py", "code.py:A", "fifo.py", "", "unreadable"),
)


@cache
def commands() -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every command by its words."""
    context = click.Context(main)
    result: list[tuple[tuple[str, ...], click.Command]] = []
    ways: list[tuple[tuple[str, ...], click.Command]] = [
        ((name,), each) for name in main.list_commands(context) if (each := main.get_command(context, name))
    ]
    while ways:
        way, each = ways.pop()
        if isinstance(each, click.Group):
            inner = click.Context(each)
            subs = [(name, each.get_command(inner, name)) for name in each.list_commands(inner)]
            ways += [((*way, name), sub) for name, sub in subs if sub is not None]
        else:
            result.append((way, each))
    return sorted(result, key=lambda pair: pair[0])


def _value(parameter: click.Parameter, random: Random) -> str:
    """Return a word for a parameter, usually of its type."""
    if random.random() < 0.15:
        return random.choice(random.choice((NUMBERS, NAMES, PATHS)))
    if isinstance(parameter.type, (click.types.IntParamType, click.types.FloatParamType)):
        return random.choice(NUMBERS)
    return random.choice(PATHS if isinstance(parameter.type, click.Path) else NAMES)


def _options(each: click.Command, random: Random) -> Iterator[str]:
    known = [parameter for parameter in each.params if isinstance(parameter, click.Option)]
    for parameter in random.sample(known, min(len(known), random.choice((0, 1, 1, 2, 3)))):
        yield random.choice((*parameter.opts, *parameter.secondary_opts))
        if not parameter.is_flag:
            yield _value(parameter, random)


def craft(random: Random) -> bytes:
    """Return a command with drawn options and arguments."""
    way, each = random.choice(commands())
    words = list(_options(each, random))
    for parameter in each.params:
        if isinstance(parameter, click.Argument) and (parameter.required or random.random() < 0.6):
            words += [_value(parameter, random) for _ in range(random.choice((1, 1, 2)) if parameter.nargs < 0 else 1)]
    if random.random() < 0.05:
        words.insert(random.randint(0, len(words)), random.choice(("--", "-x", "--no-such-option", "-h")))
    return build((*way, *words))


def trees() -> list[list[str]]:
    """Return the words of valid commands."""
    lines = ("compare run", "predict run photo.png", "evaluate run --data tiny.npz", "models mlp --json")
    return [line.split() for line in lines]


def build(words: Sequence[str]) -> bytes:
    """Return a command as a shell passes it."""
    return shlex.join(words).encode("utf-8", errors="surrogatepass")


def _special(folder: Path) -> None:
    """Create special files and awkward names in a folder."""
    (folder / "pictures").mkdir()
    (folder / "empty").mkdir()
    os.mkfifo(folder / "fifo")
    os.mkfifo(folder / "fifo.py")
    for name in ("null", "zero", "full"):
        (folder / name).symlink_to(f"/dev/{name}")
    (folder / "loop").symlink_to("loop")
    (folder / "code.py").write_text("class A:\n    pass\n")
    (folder / "unreadable").write_text("")
    (folder / "unreadable").chmod(0)
    for name in ("photo.png", "a\nb.png", "\x1b[2J.png", "pictures/x.png"):
        Image.new("L", (8, 8)).save(folder / name)


@cache
def place(folder: Path) -> Path:
    """Return a folder with a run, a model, data, images, and special files."""
    folder.mkdir()
    runs.train(folder)
    _special(folder)
    return folder


@contextmanager
def idle() -> Iterator[None]:
    """Replace the work of commands, which are refused after their options are parsed."""

    def refuse(*arguments: object, **options: object) -> None:
        raise DataError("this is where the work would begin")

    with ExitStack() as stack:
        for name in WORK:
            stack.enter_context(patch(name, refuse))
        yield


def read(path: Path) -> None:
    """Run the command up to its work; of commands not listed here, only parse the options."""
    try:
        text = path.read_bytes().replace(b"\0", b"")  # which no shell can pass
        words = shlex.split(text.decode("utf-8", errors="surrogateescape"))
    except ValueError:
        return
    words = words[:MAX_WORDS]
    where = place(path.with_name("place"))
    way, each = next(((way, each) for way, each in commands() if tuple(words[: len(way)]) == way), ((), main))
    if way and way[0] in ONLY_PARSED:
        _parse(each, way, words[len(way) :])
        return
    with idle():
        command(where, words)


def _parse(each: click.Command, way: tuple[str, ...], words: list[str]) -> None:
    """Parse the options of a command, the words after ``way``, without executing it."""

    def do_nothing(*arguments: object, **options: object) -> None:
        return

    with patch.object(each, "callback", do_nothing):
        command(Path.cwd(), [*way, *words])


def found() -> dict[str, bytes]:
    """Return inputs that once failed."""
    lines = (
        "train --epochs 9223372036854775808 --data tiny.npz",
        f"train --limit {'9' * 400} --data tiny.npz",
        "train --threads 1_000 --data tiny.npz",
        "train --threads 9223372036854775807 --data tiny.npz",
        "train --data '~nobody-has-this-name/x'",
        "train --resume fifo",
        "evaluate fifo",
        "evaluate zero",
        "predict run fifo",
        "predict run zero",
        "predict fifo photo.png",
        "compare fifo",
        "check fifo",
        "check fifo.py",
        "check unreadable",
        "compare run --picture fifo",
        "grade pictures --against 'ReLU()' --csv fifo",
        "grade pictures --against 'ReLU()' --points fifo",
        "grade --against 'ReLU()' --autograder fifo.zip --results otter fifo",
        f"predict run {'x' * 16_000}",
        "predict run 'a\nb.png'",
    )
    return {line[:60]: line.encode() for line in lines}


FORMAT = Format("options", "line", read, trees, build, (), found, craft=craft)
