"""Values and shapes drawn from a student's name, so that answers cannot be passed on.

Shapes are varied only where right code must accept it: the shapes of the parameters, which a submission may fix in its
constructor, stay the same.
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check.file_assignments import FileAssignment
from chainrule.check.subjects import LayerSubject, LossSubject
from chainrule.check.verifying import Assignment
from chainrule.core.shapes import text
from chainrule.errors import ShapeError

TRIES, MORE = 40, 4  # shapes tried, and the largest number of entries that an axis is extended by


@dataclass(frozen=True)
class Draw:
    """The task of a student: its input shape and the seed of its values.

    record  the draw in words, for the report; empty if everyone gets the same
    """

    task: Assignment | FileAssignment
    seed: int
    record: str = ""


def draw(task: Assignment | FileAssignment, seed: int, name: str) -> Draw:
    """Return the task of a student; the same for equal seeds and names, whatever their case and spaces.

    A shape that the teacher has given stays the same; then only the values differ.
    """
    known = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    digest = hashlib.sha256(f"{seed}\n{known}".encode(errors="backslashreplace")).digest()
    own = int.from_bytes(digest[:4], "little")
    if isinstance(task, FileAssignment) or task.shape is not None or isinstance(task.meant, LossSubject):
        return Draw(task, own, f"{known}: seed {own}")
    shape = next(_fitting(task.meant, np.random.default_rng(list(digest[4:]))), task.meant.shape)
    meant = LayerSubject(task.meant.layer, shape, engine="numpy")
    return Draw(replace(task, shape=shape, meant=meant), own, f"{known}: input {text(shape)}, seed {own}")


def _fitting(meant: LayerSubject, generator: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Yield other input shapes that a layer accepts and that leave its parameters as they are."""
    for number in range(TRIES):
        more = generator.integers(0, MORE, len(meant.shape))
        if number >= TRIES // 2:
            more[0] = 0  # the layer may need its number of channels
        shape = tuple(int(size + added) for size, added in zip(meant.shape, more, strict=True))
        try:
            other = LayerSubject(meant.layer, shape, engine="numpy")
        except ShapeError:
            continue
        if other.parameters == meant.parameters:
            yield shape
