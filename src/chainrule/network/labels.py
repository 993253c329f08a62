"""Labels of classes: the names, and the two directions between a label and the place of its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import OptionError, SampleError, printable_name, quoted, unknown_name

INTEGERS, BOOLEANS, TEXT = "integers", "booleans", "text"
KINDS = {"i": INTEGERS, "u": INTEGERS, "b": BOOLEANS, "U": TEXT, "S": TEXT}  # kinds of labels, by kinds of dtypes
YES_AND_NO = ("0", "1")  # names of the classes of a single output
SHOWN = 12  # maximum number of class names in a message


@dataclass(frozen=True)
class Labels:
    """The labels of the classes of an output, which are read and written in one way everywhere.

    A text is the name of a class. A whole number or a boolean is a place if the names are the numbers 0 … K−1, or if
    the names were chosen. Otherwise, it is the name that is written like it. It always is if all names are numbers:
    with the names "3" and "7", 3 means the first class, and 0 none.

    names    name of each class, (K,); of a single output also one name, that of the number
    kind     kind of the labels that a training read: integers, booleans or text; None: none was recorded
    chosen   whether a user or the source of the data chose the names; False: labels that are texts determined them
    """

    names: tuple[str, ...] = ()
    kind: str | None = None
    chosen: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of at least two classes: those of a single output are no and yes."""
        if len(self.names) > 1:
            return self.names
        return YES_AND_NO

    @property
    def numbers_are_places(self) -> bool:
        """Whether a whole number as label is the place of a class, not a name."""
        return are_numbers(self.classes) or (self.chosen and not all(map(is_whole, self.classes)))

    @property
    def values(self) -> Array:
        """The label of each class, in the type of the labels of the training: integers, booleans or text."""
        names = self.classes
        if self.kind == INTEGERS and all(map(is_whole, names)):
            return np.array(list(map(int, names)))
        if self.kind == BOOLEANS and names == YES_AND_NO:
            return np.array([False, True])
        return np.array(names)

    def place(self, label: object, what: str = "class") -> int:
        """Return the place of the class with a label; OptionError if there is none.

        label   name or number; a text of digits that is no name is a number
        what    what is named, for the message: "name in class weights"
        """
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        names = self.classes
        text = printable_name(str(label))
        if text in names and (isinstance(label, str) or not self.numbers_are_places):
            return names.index(text)
        if self.numbers_are_places and (is_whole(text) or isinstance(label, bool | np.bool_)):
            number = int(cast("Any", label))
            if 0 <= number < len(names):
                return number
        raise unknown_name(what, cast("object", label), [*names])

    def named(self, weights: object) -> object:
        """Return the weights of a mapping from labels to weights by the names of the classes; other values unchanged.

        A list has a weight for each class, in order.

        Errors   OptionError for an unknown label
        """
        if isinstance(weights, list | tuple):
            listed = cast("Sequence[object]", weights)
            if len(listed) != len(self.classes):
                raise OptionError(
                    f"class weights {quoted(listed)}: expected one for each of {len(self.classes)} classes"
                )
            return dict(zip(self.classes, listed, strict=True))
        if not isinstance(weights, Mapping):
            return weights
        by_name = dict[str, object]()
        for label, weight in cast("Mapping[object, object]", weights).items():
            by_name[self.classes[self.place(label, "name in class weights")]] = weight
        return by_name

    def places(self, y: Array) -> Array:
        """Return the places of labels y (N,) or (N, 1); numbers that are places are returned unchanged, unchecked.

        Errors   SampleError that lists labels of no class
        """
        is_text = y.dtype.kind in "US"
        if not is_text and (self.numbers_are_places or (y % 1).any()):
            return y
        if not is_text:
            y = y.astype(np.int64)
        texts = y.astype(str).reshape(len(y), -1)
        # each label that occurs, its first flat index in `texts`, and its number for each element of `texts`
        values, first, numbers = np.unique(texts, return_index=True, return_inverse=True)
        place_of = dict(zip(self.classes, range(len(self.classes)), strict=True))
        places = list[int]()
        unknown = list[tuple[int, str]]()
        for index, value in zip(first.tolist(), values.tolist(), strict=True):
            name = printable_name(value)
            if name in place_of:
                places.append(place_of[name])
            else:
                unknown.append((index, name))
        if texts.size and texts.shape[1] != 1:
            unknown.append((0, texts[0, 1]))  # a second column has no class
        if unknown:
            raise self._unknown(sorted(unknown), texts.shape[1])
        return np.array(places, np.int64)[numbers.reshape(-1)]

    def _unknown(self, labels: Sequence[tuple[int, str]], columns: int) -> SampleError:
        """Return the error for labels of no class, each with its flat index in an array of ``columns`` columns."""
        (first_index, name), *others = labels
        number = first_index // columns
        shown = ", ".join(self.classes[:SHOWN])
        if len(self.classes) > SHOWN:
            shown += ", …"
        problem = f"label {name[:40]!r} of sample {number} is not a class of the model: {shown}"
        if others:
            problem += f" (nor are {', '.join(repr(other[:40]) for _, other in others)})"
        return SampleError(f"{problem}; name the classes with Sequential(…, classes=[…])", number)

    def shares_names(self, names: Sequence[str]) -> bool:
        """Return whether a data set's classes have a name in common with these. Only numbers are no names."""
        return not are_numbers(names) and not {*names}.isdisjoint(self.names)

    def of_kind(self, kind: str | None) -> Labels:
        """Return the labels with the kind of those that a training reads, unless one is recorded."""
        if self.kind is not None:
            return self
        return replace(self, kind=kind)

    def to_config(self) -> dict[str, str | bool | None]:
        """Return what a file records beside the names, as JSON values."""
        return {"kind": self.kind, "chosen": self.chosen}


UNNAMED = Labels()


def are_numbers(names: Sequence[str]) -> bool:
    """Return whether names are "0", "1", …"""
    return list(names) == list(map(str, range(len(names))))


def names_in(y: Array) -> tuple[str, ...]:
    """Return the names that occur in labels which are texts, in one Unicode normal form, sorted."""
    names = {printable_name(text) for text in np.unique(y.astype(str)).tolist()}
    return tuple(sorted(names))


def is_whole(name: str) -> bool:
    """Return whether a name is a whole number."""
    return name.removeprefix("-").isdecimal()
