"""The check of a whole file. Its pairs of functions, layers and losses are checked one after another.

`forms` contains the known formats of functions and classes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

from chainrule.check import sources
from chainrule.check.autograd import engine_rows
from chainrule.check.checked_file import CheckedFile
from chainrule.check.class_checks import OF_VECTORS, Findings, rows_of_class
from chainrule.check.failures import failure_row
from chainrule.check.forms import (
    class_format,
)
from chainrule.check.function_pairs import FunctionPair, find_pairs, tutorial_pairs
from chainrule.check.host.process import SLOW, GuestEnded, GuestSlow
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.optimizer_checks import optimizer_contracts, optimizer_kind, optimizer_rows
from chainrule.check.option_checks import (
    LayerSignature,
)
from chainrule.check.pair_checks import other_pair_rows, pair_rows
from chainrule.check.report import Report, Row
from chainrule.check.sources import FileContents
from chainrule.custom.calls import FormError
from chainrule.layers import Dropout, Softmax


def check_file(
    file: CheckedFile, title: str, seed: int, base: LearnerTask = ANY_LAYER, names: Collection[str] | None = None
) -> Report | None:
    """Return the report of a file's functions and classes, or None if the file must be checked as a single layer.

    Classes whose form depends on that of others are checked last (`_is_last`), but reported in the order of the file.

    base    names of constants, and the treatment of ties
    names   names of the functions and classes to check; None: all
    """
    contents = file.contents()
    selected = Selection.of(contents, names)
    methods = set[str]()
    for call in chain(*contents.methods.values()):
        methods.add(call.partition("(")[0])
    # The check of a single layer only calls methods with usual names, such as forward and backward.
    has_unusual_methods = contents.methods and methods.isdisjoint(sources.METHODS)
    has_functions = selected.pairs or selected.other_pairs or selected.engines or selected.optimizers
    if not (has_functions or has_unusual_methods or contents.losses or _are_checkable(selected.classes)):
        return None
    seen = list[Row]()
    notes = list[str]()
    if selected.missing and names is None:
        notes.append(f"not in the file: {', '.join(selected.missing)}")
    # The iterators of rows run in the loop below, in this order. Those of classes read `seen`, the earlier rows.
    subjects = dict[str, Iterator[Row]]()
    places = dict[str, int]()
    for pair in selected.pairs:
        places[pair.title] = len(places)
        subjects[pair.title] = pair_rows(file, pair, pair.backward in contents.functions, base, seed)
    for key in selected.classes:
        places[key] = len(places)
    for key in sorted(selected.classes, key=_is_last):
        signature = LayerSignature(selected.classes[key], contents.required.get(key, ()), contents.methods.get(key, ()))
        subjects[key] = rows_of_class(file, key, signature, seed, base, Findings(notes, seen), key in contents.losses)
    for name in selected.engines:
        subjects[name] = engine_rows(name, partial(file.evaluate, name), seed)
    for name, kind in selected.optimizers.items():
        tried = optimizer_contracts(kind, contents.optimizers[name])
        subjects[name] = optimizer_rows(name, kind, partial(file.evaluate, None), tried, seed)
    for pair in selected.other_pairs:
        subjects[" / ".join(pair)] = other_pair_rows(file, *pair, base, seed)
    for row in _rows(file, subjects):
        seen.append(row)
    rows = sorted(dict.fromkeys(seen), key=lambda row: places.get(row.subject, -1))
    return Report(title, tuple(rows), tuple(dict.fromkeys(notes)), brief=True)


@dataclass
class Selection:
    """The functions and classes of a file that are checked.

    pairs        functions of courses; `missing` are those that the file lacks
    other_pairs  (forward, backward) of other functions
    classes      arguments of the constructor, by class
    optimizers   name in this library, by class or function
    """

    pairs: list[FunctionPair]
    missing: list[str]
    other_pairs: list[tuple[str, str]]
    classes: dict[str, tuple[str, ...]]
    engines: list[str]
    optimizers: dict[str, str]

    @classmethod
    def of(cls, contents: FileContents, names: Collection[str] | None) -> "Selection":
        """Return the selected contents; all of them if ``names`` is None."""

        def is_selected(*subjects: str | None) -> bool:
            return names is None or not set(names).isdisjoint(subjects)

        pairs, missing = find_pairs(contents.functions)
        selected = cls([], missing, [], {}, [], {})
        for pair in pairs:
            if is_selected(pair.forward, pair.backward):
                selected.pairs.append(pair)
        for forward, backward in tutorial_pairs(contents.functions):
            if is_selected(forward, backward):
                selected.other_pairs.append((forward, backward))
        for name in filter(is_selected, contents.engines):
            selected.engines.append(name)
        for name in filter(is_selected, contents.optimizers):
            kind = optimizer_kind(name)
            if kind is not None:
                selected.optimizers[name] = kind
        for name in filter(is_selected, contents.layers):
            if name not in selected.optimizers:
                selected.classes[name] = contents.layers[name]
        return selected


def _is_last(name: str) -> bool:
    """Return whether a class is one of `OF_VECTORS` or a loss, whose form may depend on that of the other classes."""
    course_format = class_format(name)
    return course_format is not None and course_format.layer in (*OF_VECTORS, None)


def _rows(file: CheckedFile, subjects: Mapping[str, Iterable[Row]]) -> Iterator[Row]:
    """Yield the rows of all subjects. If the file's process ends, another one checks the remaining subjects."""
    for title, rows in subjects.items():
        finished = set[str]()
        try:
            file.start_part()
            for row in rows:
                finished.add(row.subject)
                yield row
        except GuestEnded as end:
            names = title.split(" / ")  # of the functions of a pair
            unfinished = [name for name in names if name not in finished]
            for name in unfinished or names[-1:]:
                if SLOW in str(end):
                    yield _slow_row(name, end)
                else:
                    yield failure_row(name, str(end))
            if not isinstance(end, GuestSlow):
                file.restart()


def _slow_row(name: str, error: GuestEnded) -> Row:
    """Return the row of code that is too slow for all calls: it is neither right nor wrong."""
    return failure_row(name, FormError(f"it {error}"), tensor="y")


def _are_checkable(classes: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether there are several classes, or one that accepts arguments or is a loss, a softmax or a dropout."""
    if len(classes) > 1 or any(classes.values()):
        return True
    for name in classes:
        course_format = class_format(name)
        if course_format is not None and course_format.layer in (None, Softmax, Dropout):
            return True
    return False
