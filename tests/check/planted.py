"""The mistakes of `planted.toml`, made in the correct classes of `planted_*.py`, and those of functions."""

import tomllib
from importlib import import_module
from pathlib import Path

from check.planted_activations import WRONG_FUNCTIONS
from check.planted_norms import LINES, BatchNorm, OfLines
from check.planting import CORRECT, changed

FOLDER = Path(__file__).parent
for file in sorted(FOLDER.glob("planted_*.py")):
    import_module(f"check.{file.stem}")
SOURCES = {source.__name__: (source, against) for source, against in CORRECT}


def planted(source, tensor, diagnosis, changes=(), against=None):
    """Return a case: the class with the mistake, its intended layer, the tensor that is wrong, the diagnosis."""
    correct, intended = SOURCES[source]
    return changed(correct, [text for pair in changes for text in pair]), against or intended, tensor, diagnosis


LISTED = tomllib.loads((FOLDER / "planted.toml").read_text(encoding="utf-8"))["mistake"]
PLANTED = [planted(**entry) for entry in LISTED] + WRONG_FUNCTIONS


def mistaken(source, mistake):
    """Return the first class made from ``source`` with this mistake."""
    return next(case[0] for case in PLANTED if case[0].__name__ == source.__name__ and case[3] == mistake)


for tensor, mistake in (("x", "mean-held-constant"), ("gamma", "input-for-normalized")):
    PLANTED.append((type("BatchNormOfLines", (OfLines, mistaken(BatchNorm, mistake)), {}), LINES, tensor, mistake))
