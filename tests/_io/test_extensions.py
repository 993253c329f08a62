"""Commands and engines that another installed package declares as entry points."""

import subprocess
import sys
from pathlib import Path

import pytest

from chainrule._io import extensions
from chainrule.errors import OptionError

MODULE = """
import click
from chainrule.engines.interpreter import ModuleEngine

@click.command()
@click.argument("name")
def greet(name):
    "Greet someone."
    print("hello", name)

class Loops(ModuleEngine):
    def __init__(self):
        super().__init__("reference")
"""
POINTS = """[chainrule.engines]
loops = loops_for_chainrule:Loops
broken = loops_for_chainrule:missing
"""
SAME_NUMBERS = """
import numpy as np
import chainrule as cr

rng = np.random.default_rng(0)
x, y = rng.normal(size=(20, 1, 5, 6)), rng.integers(0, 3, 20)

def outputs(engine):
    layers = [cr.Conv2D(3, (2, 3)), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (1, 5, 6), engine=engine, seed=1)
    model.fit(x, y, epochs=2, batch_size=5, progress=False)
    return model.predict(x)

np.testing.assert_array_equal(outputs("loops"), outputs("reference"))
"""


def install(folder: Path, package: str, points: str) -> None:
    """Write what pip leaves of an installed package: a module and its metadata."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(points)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the path, with one package."""
    install(tmp_path, "loops", POINTS)
    (tmp_path / "loops_for_chainrule.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("installed")
def test_an_engine_of_another_package_computes() -> None:
    done = subprocess.run([sys.executable, "-c", SAME_NUMBERS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_extensions_are_imported_by_name(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is found, imported, or refused with the packages that declare it, in the running process, too."""
    install(installed, "rival", "[chainrule.engines]\nquick = loops_for_chainrule:Loops\nloops = rival:Loops\n")
    monkeypatch.syspath_prepend(installed)
    extensions.declared.cache_clear()
    try:
        engines = extensions.declared(extensions.ENGINES)
        assert {name: len(points) for name, points in engines.items()} == {"broken": 1, "loops": 2, "quick": 1}
        assert [*engines] == sorted(engines)
        assert extensions.load(extensions.ENGINES, "quick")().name == "reference"
        for group, name, words in (
            (extensions.ENGINES, "broken", ("broken", "loops", "missing")),
            (extensions.ENGINES, "loops", ("loops and rival",)),
        ):
            with pytest.raises(OptionError) as caught:
                extensions.load(group, name)
            assert "\n" not in str(caught.value)
            assert all(word in str(caught.value) for word in words)
    finally:
        extensions.declared.cache_clear()
        sys.modules.pop("loops_for_chainrule", None)
