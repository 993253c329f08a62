"""Which samples are evaluated: those that a run held out, or all samples of data that it has not seen."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli.commands import answer, succeeded
from PIL import Image

import chainrule as cr
from chainrule.runs.folder import MODEL

LEVELS = {"ant": 50, "bee": 120, "cat": 190}


def pictures(path: Path, generator: np.random.Generator, names: str, count: int) -> Path:
    """Write images of these classes, with random names of the files."""
    for name in names.split():
        (path / name).mkdir(parents=True)
        for number in generator.permutation(1000)[:count]:
            pixels = generator.normal(LEVELS[name], 30, (6, 7, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path / name / f"{number}.png")
    return path


def count(lines: str) -> tuple[int, ...]:
    """Return the numbers in the title of an evaluation."""
    return tuple(map(int, re.findall(r"\d+(?= of|,? images)", lines.splitlines()[0])))


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(
        "import chainrule as cr\n\ndef net(classes):\n    return [cr.Flatten(), cr.Dense(classes), cr.Softmax()]\n"
    )
    return path


def test_the_seed_chooses_the_test_set(invoke, net):
    """The command and Python evaluate the same samples. Other test sets overlap the training samples."""
    seed, generator = 4, np.random.default_rng(4)
    x, y = generator.integers(0, 256, (70, 3, 5), dtype=np.uint8), generator.permutation(np.arange(70) % 3)
    np.savez("d.npz", x=x, y=y)
    succeeded(invoke(f"train --model {net} --data d.npz --epochs 1 --quiet --seed {seed} --limit 40 --out run"))
    report = answer(invoke("evaluate run --json"))
    assert count(invoke("evaluate run").stdout) == (14, 70)
    model = cr.load("run")
    for other in (0, 3, 4):
        _, test = cr.data.load("d.npz", seed=other)
        evaluation = model.evaluate(test)
        if other == seed:
            assert report["loss"] == pytest.approx(evaluation.loss)


@pytest.mark.parametrize(("seed", "names"), [(1, "cat bee"), (2, "bee")])
def test_other_data_are_used_whole(invoke, net, tmp_path, seed, names):
    """Evaluate folders of new images, with fewer classes or with images that the run was trained on."""
    generator = np.random.default_rng(seed)
    pictures(tmp_path / "trained", generator, "ant bee cat", 12)
    new = pictures(tmp_path / "new", generator, names, 18 // len(names.split()))
    evaluate = "evaluate run"
    succeeded(invoke(f"train --model {net} --epochs 2 --quiet --seed {seed} --out run --data trained"))
    report = answer(invoke(f"{evaluate} --json --data new"))
    assert (report["samples"], count(invoke(f"{evaluate} --data new").stdout)) == (18, (18,))
    evaluation = cr.load("run").evaluate(cr.data.load_test("new"))
    assert report["loss"] == pytest.approx(evaluation.loss)
    for part in ("train", "test"):
        shutil.copytree(new, Path("parts") / part)
    assert count(invoke(f"{evaluate} --data parts").stdout) == (18, 36)
    shutil.copytree("trained", "moved")
    moved = answer(invoke("evaluate --json --data moved", Path("run") / MODEL))
    assert moved["samples"] == 36
    assert "trained on" not in invoke(evaluate).stdout
    for number in range(7):  # the test set of a folder with more images is another one
        pixels = generator.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(Path("trained") / "ant" / f"{number}-new.png")
    grown = invoke(evaluate)
    assert "are not those this run was started with" in grown.stderr
