"""config.json with missing entries, entries of another type or far too large ones: every command reports one line."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.commands import refused
from PIL import Image

from chainrule.runs.folder import CONFIG

COMMANDS = {
    "evaluate": ("evaluate", "RUN", "--engine", "numpy", "--accept-changes"),
    "predict": ("predict", "RUN", "x.png", "--engine", "numpy", "--accept-changes"),
    "compare": ("compare", "RUN", "--accept-changes"),
    "resume": ("train", "--quiet", "--resume", "RUN", "--accept-changes"),
}
REMARKS = ("config.json was changed since the run wrote it, and is used as it is", "is not finished: these are")
WRONG: list[Any] = [None, True, -1, 2.5, 10**400, 1e999, "x", "", [], [[]], ["x", 1], {}, {"x": {}}]
NEEDED = (
    *("format", "engine", "threads", "data", "recipe", "model", "command"),
    *("data.name", "data.only", "data.training_samples", "data.fingerprint"),
    *("recipe.optimizer", "recipe.schedule", "recipe.augmentation"),
    *("model.name", "model.layers", "model.input_shape", "model.dtype", "model.classes", "model.normalization"),
)


def places(tree: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths of all entries; of lists only the first."""
    pairs = tree.items() if isinstance(tree, dict) else list(enumerate(tree))[:1] if isinstance(tree, list) else ()
    for key, value in pairs:
        yield (*before, key)
        yield from places(value, (*before, key))


def changed(config: Any, place: tuple[Any, ...], value: Any = ...) -> Any:
    """Return the config with another value at a path, or without the entry."""
    result = json.loads(json.dumps(config))
    inner = result
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return result


@pytest.fixture
def config(finished: Path) -> dict[str, Any]:
    Image.new("L", (28, 28), 255).save(finished.parent / "x.png")
    return json.loads((finished / CONFIG).read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_entry_of_every_kind(invoke, finished, config, command):
    """Accept harmless changes (the version of Python, another seed); nothing ends in a traceback."""
    words = [str(finished) if word == "RUN" else word for word in COMMANDS[command]]
    whole = shutil.copytree(finished, finished.parent / "whole")
    tried, accepted, draw = 0, 0, random.Random(command)
    for place in places(config):
        for value in [..., draw.choice(WRONG)]:  # `make fuzz` tries more
            (finished / CONFIG).write_text(json.dumps(changed(config, place, value)))
            result = invoke(*words)
            tried += 1
            needed = value is ... and ".".join(map(str, place)) in NEEDED
            if result.exit_code == 0:
                assert not needed, place
                accepted += 1
                shutil.copytree(whole, finished, dirs_exist_ok=True)
            else:
                assert (result.exit_code, result.stdout) == (2, ""), (place, value, result.exception)
                said = [line for line in result.stderr.splitlines() if not any(words in line for words in REMARKS)]
                assert len(said) == 1, said
                assert CONFIG in said[0] or not needed, said
    assert tried > 125
    assert accepted < tried / 2


@pytest.mark.parametrize("command", COMMANDS)
def test_other_json_is_refused(invoke, finished, config, command):
    for content in ("", "{", "[]", "null", "3", '"x"', "[" * 100_000, "\0", '{"format": 1e999}'):
        (finished / CONFIG).write_text(content)
        refused(invoke(*(finished if word == "RUN" else word for word in COMMANDS[command])), CONFIG)
