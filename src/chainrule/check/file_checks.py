"""The check of a whole file. Its pairs of functions, layers and losses are checked one after another.

`known_interfaces` contains the interfaces of functions and classes in courses.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

from chainrule.check import sources
from chainrule.check.autograd import engine_results
from chainrule.check.checked_file import CheckedFile
from chainrule.check.class_checks import OF_VECTORS, Findings, results_of_class
from chainrule.check.failures import failure_result
from chainrule.check.function_pairs import FunctionPair, find_pairs, tutorial_pairs
from chainrule.check.host.process import SLOW, GuestEnded, GuestSlow
from chainrule.check.known_interfaces import class_interface
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.optimizer_checks import optimizer_contracts, optimizer_kind, optimizer_results
from chainrule.check.option_checks import (
    LayerSignature,
)
from chainrule.check.pair_checks import other_pair_results, pair_results
from chainrule.check.report import CheckResult, Report
from chainrule.check.sources import FileContents
from chainrule.custom.calls import InterfaceError
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
    seen = list[CheckResult]()
    notes = list[str]()
    if selected.missing and names is None:
        notes.append(f"not in the file: {', '.join(selected.missing)}")
    # The iterators of results run in the loop below, in this order. Those of classes read `seen`, the earlier results.
    checks = dict[str, Iterator[CheckResult]]()
    places = dict[str, int]()
    for pair in selected.pairs:
        places[pair.title] = len(places)
        checks[pair.title] = pair_results(file, pair, pair.backward in contents.functions, base, seed)
    for key in selected.classes:
        places[key] = len(places)
    for key in sorted(selected.classes, key=_is_last):
        signature = LayerSignature(selected.classes[key], contents.required.get(key, ()), contents.methods.get(key, ()))
        checks[key] = results_of_class(file, key, signature, seed, base, Findings(notes, seen), key in contents.losses)
    for name in selected.engines:
        checks[name] = engine_results(name, partial(file.evaluate, name), seed)
    for name, kind in selected.optimizers.items():
        tried = optimizer_contracts(kind, contents.optimizers[name])
        checks[name] = optimizer_results(name, kind, partial(file.evaluate, None), tried, seed)
    for pair in selected.other_pairs:
        checks[" / ".join(pair)] = other_pair_results(file, *pair, base, seed)
    for result in _results(file, checks):
        seen.append(result)
    results = sorted(dict.fromkeys(seen), key=lambda result: places.get(result.name, -1))
    return Report(title, tuple(results), tuple(dict.fromkeys(notes)), brief=True)


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

        def is_selected(*candidates: str | None) -> bool:
            return names is None or not set(names).isdisjoint(candidates)

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
    known_interface = class_interface(name)
    return known_interface is not None and known_interface.layer in (*OF_VECTORS, None)


def _results(file: CheckedFile, checks: Mapping[str, Iterable[CheckResult]]) -> Iterator[CheckResult]:
    """Yield the results of all checks. If the file's process ends, another one runs the remaining checks."""
    for title, results in checks.items():
        finished = set[str]()
        try:
            file.start_part()
            for result in results:
                finished.add(result.name)
                yield result
        except GuestEnded as end:
            names = title.split(" / ")  # of the functions of a pair
            unfinished = [name for name in names if name not in finished]
            for name in unfinished or names[-1:]:
                if SLOW in str(end):
                    yield _slow_result(name, end)
                else:
                    yield failure_result(name, str(end))
            if not isinstance(end, GuestSlow):
                file.restart()


def _slow_result(name: str, error: GuestEnded) -> CheckResult:
    """Return the result of code that is too slow for all calls: it is neither right nor wrong."""
    return failure_result(name, InterfaceError(f"it {error}"), tensor="y")


def _are_checkable(classes: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether there are several classes, or one that accepts arguments or is a loss, a softmax or a dropout."""
    if len(classes) > 1 or any(classes.values()):
        return True
    for name in classes:
        known_interface = class_interface(name)
        if known_interface is not None and known_interface.layer in (None, Softmax, Dropout):
            return True
    return False
