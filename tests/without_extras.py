"""What works without the extras for images, plots and the page, and what names the extra. Run in a process of its own.

python without_extras.py FOLDER EXTRA… blocks the packages of these extras, works in FOLDER, and prints JSON: by the
name of each action its extra and its error, or null.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGES = {
    "images": ("PIL",),
    "plots": ("matplotlib",),
    "page": ("starlette", "uvicorn", "h11"),
}


class Blocker:
    """Finds no module of some packages, and prevents others from finding them."""

    def __init__(self, packages: set[str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for a module of these packages."""
        if name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


HOMEWORK = Path(__file__).parents[1] / "examples" / "homework" / "submissions"


def actions(folder: Path) -> dict[str, tuple[str | None, Callable[[], object]]]:
    """Return by name: the extra that an action needs, or None, and the action."""
    import numpy as np
    from click.testing import CliRunner

    import chainrule as cr
    from chainrule.cli import main
    from chainrule.data.images import image_png
    from chainrule.errors import OptionError

    rng = np.random.default_rng()
    x, y = rng.normal(size=(60, 1, 6, 5)).astype(np.float32), np.arange(60) % 2
    np.savez(folder / "data.npz", x=x, y=y)
    layers = [cr.Conv2D(2, (3, 2)), cr.ReLU(), cr.Flatten(), cr.Dense(2), cr.Softmax()]
    model = cr.Sequential(layers, (1, 6, 5), seed=1)
    history = model.fit(x, y, epochs=1, progress=False)
    evaluation = model.evaluate(x, y)

    def saved() -> None:
        model.save("model.safetensors")
        assert np.array_equal(cr.load("model.safetensors").predict(x), model.predict(x))

    def command(*words: str) -> Callable[[], str]:
        def run() -> str:
            result = CliRunner().invoke(main, words)
            if result.exit_code:
                raise OptionError(result.stderr.strip().splitlines()[-1])
            return result.stderr.strip()

        return run

    def pictures_of_a_run() -> None:
        remark = command("train", "--resume", "run", "--epochs", "2", "--quiet")()
        if not Path("run", "curves.png").exists():
            raise OptionError(remark)

    train = ("train", "--model", "mlp", "--epochs", "1", "--quiet")
    return {
        "save and load": (None, saved),
        "view of a model": (None, model._repr_html_),
        "view of a data set": (None, cr.Dataset(x, y)._repr_html_),
        "view of a history": (None, history._repr_html_),
        "view of an evaluation": (None, evaluation._repr_html_),
        "check": (None, command("check", str(HOMEWORK / "ada.py"), "--against", "Conv2D(4, (3, 2))")),
        "train": (None, command(*train, "--data", "data.npz", "--out", "run")),
        "pictures of a run": ("plots", pictures_of_a_run),
        "evaluate": (None, command("evaluate", "run")),
        "export to ONNX": (None, command("export", "run", "--onnx", "model.onnx")),
        "export to C": (None, command("export", "run", "--c", "c")),
        "import": (None, command("import", "model.onnx")),
        "profile": (None, command("profile", "run")),
        "explain --html": (None, command("explain", "run", "--html", "page.html")),
        "explain": ("page", command("explain", "run", "--no-browser")),
        "plot of a history": ("plots", history.plot),
        "plot_confusion": ("plots", evaluation.plot_confusion),
        "plot_kernels": ("plots", model.plot_kernels),
        "plot of a profile": ("plots", model.profile(x[:2]).plot),
        "load an image folder": ("images", lambda: cr.data.load("pictures")),
        "predict a file": ("images", lambda: model.predict("pictures/a/0.png")),
        "a PNG": ("images", lambda: image_png(x[0])),
        "train on images": ("images", command(*train, "--data", "pictures", "--out", "images")),
        "predict": ("images", command("predict", "run", "pictures/a/0.png")),
    }


def main(folder: Path, extras: list[str]) -> None:
    """Print the results of all actions, and the extras that they need."""
    blocker: Any = Blocker({package for extra in extras for package in PACKAGES[extra]})
    sys.meta_path.insert(0, blocker)
    os.chdir(folder)
    results = dict[str, tuple[str | None, str | None]]()
    for name, (extra, action) in actions(folder).items():
        if extra == "page" and extra not in extras:
            continue  # it would serve
        message = None
        try:
            action()
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
        results[name] = extra, message
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
