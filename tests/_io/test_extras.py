"""Extras: without them, everything else works, and what needs them names them with the command that installs them."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import without_extras
from PIL import Image

import chainrule
from chainrule._io.extras import REQUIREMENTS, import_optional
from chainrule.errors import OptionError

SOURCE = Path(chainrule.__file__).parent


@pytest.mark.parametrize("extras", [tuple(without_extras.PACKAGES), ("plots",)], ids="-".join)
def test_a_missing_extra_is_one_line_with_its_command(extras: tuple[str, ...], tmp_path: Path) -> None:
    """Block the packages of extras: what needs one of them names its packages, and all else works."""
    for label in "ab":
        folder = tmp_path / "pictures" / label
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng().integers(0, 255, (6, 5), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    environment = {**os.environ, "CHAINRULE_ENGINE": "numpy", "CHAINRULE_OFFLINE": "1"}
    command = [sys.executable, without_extras.__file__, str(tmp_path), *extras]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    results = json.loads(done.stdout.splitlines()[-1])
    for name, (extra, message) in results.items():
        if extra in extras:
            assert message is not None, name
            assert re.findall(r'"(\S+?)"', message.partition(" install ")[2]) == REQUIREMENTS[extra], (name, message)
            assert "\n" not in message
        else:
            assert message is None, name


def test_every_plot_is_tried(tmp_path: Path) -> None:
    tried = Path(without_extras.__file__).read_text(encoding="utf-8")
    for file in SOURCE.rglob("*.py"):
        if file.parent.name != "plotting":
            for name in re.findall(r"def (plot_\w+)", file.read_text(encoding="utf-8")):
                assert name in tried, file


@pytest.mark.parametrize("extra", REQUIREMENTS)
@pytest.mark.parametrize("pip", ["", "elsewhere/pip", "beside"])
def test_the_command_installs_for_this_python(extra: str, pip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pip on the path is meant only if it is that of the Python that is running."""
    beside = str(Path(sys.executable).with_name("pip"))
    monkeypatch.setattr("shutil.which", lambda name: beside if pip == "beside" else pip or None)
    with pytest.raises(OptionError) as caught:
        import_optional("no_such_module", extra, "reading minds")
    words = shlex.split(str(caught.value).partition(": ")[2])
    assert words[:2] == (["pip", "install"] if pip == "beside" else [sys.executable, "-m"])
    assert words[words.index("install") + 1 :] == REQUIREMENTS[extra]
    assert "reading minds" in str(caught.value)
    assert "no_such_module" in str(caught.value)
    assert import_optional("json", extra, "reading") is json
