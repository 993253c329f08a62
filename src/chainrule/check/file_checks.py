"""The check of a file: its layers, losses and optimizers, each under a contract, are checked one after another.

The contract is stated, proposed from the names in the file, or that of a course. Those of a course are data in the
folder `courses`: names of classes or functions, the intended layer, loss or optimizer, the shape of one input, and the
text of the contract, where {C} is the name in the file.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.check.checked_file import CheckedFile
from chainrule.check.contracts import contract_note, layer_report, loss_report, stated_report, uncovered_results
from chainrule.check.course_contracts import CourseEntry, course
from chainrule.check.failures import failure_result
from chainrule.check.host.process import SLOW, GuestEnded, GuestSlow
from chainrule.check.known_interfaces import DATA, NAMES, class_interface, interface_of
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.loss_interface import losses_of
from chainrule.check.optimizer_checks import optimizer_contracts, optimizer_kind, optimizer_results
from chainrule.check.reading import AmbiguousError, read
from chainrule.check.report import CheckResult, Report
from chainrule.custom.calls import InterfaceError
from chainrule.custom.contract import parse
from chainrule.custom.gradient_names import role_of
from chainrule.custom.losses import is_loss, loss_contracts
from chainrule.custom.proposal import BACKWARD_WORDS, FORWARD_WORDS, LearnerCode
from chainrule.custom.signatures import CallSignature
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import IN_A_ROW, Layer, expressions
from chainrule.network import losses

COMPLETE = '{name}: state how it is called: --contract "{contract}" (docs/checking.md#contracts)'
PROBABILITIES = {"softmax_cross_entropy": "categorical_cross_entropy"}


@dataclass
class Item:
    """A function, a class or a pair of functions in a file.

    calls     its calls; those of a pair are its two functions
    backward  name of the second function; None for others
    entries   its contracts in a course
    """

    name: str
    calls: Sequence[str]
    backward: str | None = None
    entries: Sequence[CourseEntry] = ()


def items_of(contents: Mapping[str, Sequence[str]]) -> dict[str, Item]:
    """Return the classes, and the functions with their backward functions, that a file contains."""
    items = dict[str, Item]()
    used = set[str]()
    for name in sorted(contents, key=_is_forward, reverse=True):  # relu may be part of relu_forward
        calls = contents[name]
        if name in used:
            continue
        if calls[0].startswith("self = "):
            code = LearnerCode.of_class(name, calls)
            if (
                code.usual
                or (code.forward and code.backward)
                or is_loss(calls)
                or optimizer_kind(name)
                or code.has_forward
            ):
                items[name] = Item(name, calls)
            continue
        partner = next((other for other in _backward_names(name) if other in contents and other not in used), None)
        if partner is not None:
            used |= {name, partner}
            items[name] = Item(name, [*calls, *contents[partner]], partner)
        elif is_loss(calls) or optimizer_kind(name) or _is_forward(name):
            items[name] = Item(name, calls)
    return {name: items[name] for name in contents if name in items and (name not in used or items[name].backward)}


def _items_of_course(contents: Mapping[str, Sequence[str]], name: str) -> dict[str, Item]:
    """Return the functions and classes in a file that a course has contracts for; StudentError if there are none."""
    entries = course(name)
    items = dict[str, Item]()
    for held, calls in contents.items():
        is_class = calls[0].startswith("self = ")
        own = [
            entry
            for entry in entries
            if held in entry.names or (is_class and held.lower() in map(str.lower, entry.names))
        ]
        if own:
            items[held] = Item(held, calls, entries=own)
    if not items:
        usual = ", ".join(dict.fromkeys(entry.names[0] for entry in entries))
        raise StudentError(f"the file has none of the names of the course {name}: {usual}")
    return items


def _is_forward(name: str) -> bool:
    return any(word in name for word, _ in NAMES["pair_words"])


def _backward_names(forward: str) -> Iterator[str]:
    if forward == "forward":
        yield "backward"
    for old, new in NAMES["pair_words"]:
        if old in forward:
            yield forward.replace(old, new, 1)
    for suffix in NAMES["pair_suffixes"] + NAMES["derivative_suffixes"]:
        yield f"{forward}{suffix}"
    for prefix in NAMES["pair_prefixes"] + NAMES["derivative_prefixes"]:
        yield f"{prefix}{forward}"


def is_expression(against: str) -> bool:
    """Return whether a text is a layer, a loss or an optimizer, rather than names of functions and classes."""
    if against.replace("-", "_") in losses.NAMES or optimizer_kind(against) == against:
        return True
    return _is_layer(against)


def _is_layer(against: str) -> bool:
    return "(" in against or against in IN_A_ROW


def file_report(
    file: CheckedFile, title: str, names: Sequence[str] | None, against: str | None, base: LearnerTask, seed: int
) -> Report:
    """Return the report of a file, as `chainrule check` prints it.

    names     classes, objects or functions in the file; None: all, or the one that ``against`` means
    against   the layer, loss or optimizer to implement, or names of functions and classes; None: find out
    base      the contract or the course, the input shape, the treatment of ties and of samples
    """
    base = replace(base, one_shape=base.shape is not None)
    if base.contract is not None:
        report = stated_report(file, base.contract, against, base, seed)
        if names is None:
            uncovered = uncovered_results(file, parse(base.contract).reads)
            report = replace(report, results=(*report.results, *uncovered))
        return report
    if against is not None and is_expression(against):
        selected = names or [_only(file, against)]
        return replace(check_file(file, title, seed, base, selected, against), brief=False)
    if against is not None and names is None:
        return check_file(file, title, seed, base, [part.strip() for part in against.split(",")])
    return check_file(file, title, seed, base, names, against)


def _only(file: CheckedFile, against: str) -> str:
    """Return the class or the function of a file that should compute this: by its name, or because it is alone."""
    items = [*items_of(file.contents())]
    interface = interface_of(expressions.layer(against)) if _is_layer(against) else None
    named = [item for item in items if interface is not None and class_interface(item) is interface]
    others = [item for item in items if class_interface(item) is None]
    for selected in (named, items if len(items) == 1 else [], others):
        if len(selected) == 1:
            return selected[0]
    if not items:
        raise StudentError("no class, object or pair of functions with forward and backward")
    raise StudentError(f"several classes or functions; select one: {', '.join(items)}")


def check_file(
    file: CheckedFile,
    title: str,
    seed: int,
    base: LearnerTask = ANY_LAYER,
    names: Collection[str] | None = None,
    against: str | None = None,
) -> Report:
    """Return the report of a file's functions and classes.

    base     the course, the input shape, and the treatment of ties
    names    names of the functions and classes to check; None: all
    against  the layer, the loss or the optimizer that all of them should compute; None: find out
    """
    contents = file.contents([*(names or ())])
    items = items_of(contents) if base.course is None else _items_of_course(contents, base.course)
    selected = dict[str, Item]()
    for name, item in items.items():
        if names is None or not {name, item.backward}.isdisjoint(names):
            selected[name] = item
    if names is not None and not selected:
        raise StudentError(f"{title} has no {', '.join(names)}; it has: {', '.join(items) or 'nothing to check'}")
    results = list[CheckResult]()
    notes = list[str]()
    for item in selected.values():
        file.start_part()
        part = _item_report(file, item, base, seed, against)
        results += part.results
        notes += part.notes
    if names is None:
        covered = {*selected, *(item.backward for item in selected.values() if item.backward is not None)}
        for note in notes:  # "conv_forward: contract: …"
            covered |= parse(note.partition("contract: ")[2].partition(" (states")[0], complete=False).reads
        results += uncovered_results(file, covered)
    if not results:
        held = ", ".join(contents) or "no class or function"
        raise StudentError(f"{title}: no class, object or pair of functions with forward and backward; it has {held}")
    return Report(title, tuple(dict.fromkeys(results)), tuple(dict.fromkeys(notes)), brief=True)


def _item_report(file: CheckedFile, item: Item, base: LearnerTask, seed: int, against: str | None) -> Report:
    """Return the report of one function or class. If the file's process ends, another one is started."""
    finished = list[CheckResult]()
    notes = list[str]()
    try:
        for result in _item_results(file, item, base, seed, against, notes):
            finished.append(_named(result, item))
    except UnwrittenError as error:
        finished.append(failure_result(item.name, error))
    except InterfaceError as error:
        contract = error.contract if isinstance(error, AmbiguousError) else _template(item)
        finished.append(failure_result(item.name, error, notes=(COMPLETE.format(name=item.name, contract=contract),)))
    except (StudentError, ShapeError) as error:
        finished.append(failure_result(item.name, error, checked=bool(finished)))
    except GuestEnded as end:
        error = InterfaceError(f"it {end}") if SLOW in str(end) else str(end)
        finished.append(failure_result(item.backward if finished and item.backward else item.name, error))
        if not isinstance(end, GuestSlow):
            file.restart()
    return Report(item.name, tuple(finished), tuple(notes))


def _named(result: CheckResult, item: Item) -> CheckResult:
    """Return a result under the name of its function: the second one of a pair has the gradients."""
    if item.backward is not None and result.tensor != "y":
        return replace(result, name=item.backward)
    return replace(result, name=item.name)


def _template(item: Item) -> str:
    """Return a contract to complete, with the names of the code."""
    code = code_of(item)
    words = {**FORWARD_WORDS, **BACKWARD_WORDS}
    lines = list[str]()
    results = ["y", "dx"]
    if code.make is not None:
        lines = [code.make.call({argument: argument for argument in code.make.required}), "self.W = w"]
    else:
        roles = [role_of(argument) for argument in code.forward[0].required[1:]]
        results = ["y, cache", ", ".join(["dx", *(f"d{role}" for role in roles if role is not None)])]
    backwards = [call for call in code.backward if call not in code.forward[:1]]
    for result, calls in zip(results, (code.forward, backwards), strict=True):
        for call in calls[:1]:
            values = {argument: words.get(argument) or role_of(argument) or argument for argument in call.required}
            lines.append(f"{result} = {call.call(values)}")
    if code.make is not None:
        lines.append("dw = self.dW")
    return "; ".join(lines)


def _item_results(
    file: CheckedFile, item: Item, base: LearnerTask, seed: int, against: str | None, notes: list[str]
) -> Iterator[CheckResult]:
    """Yield the results of an optimizer, a loss or a layer."""
    if item.entries:
        yield from _course_results(file, item, base, seed, notes)
        return
    kind = optimizer_kind(against or item.name)
    if kind is not None:
        yield from optimizer_results(item.name, kind, file.evaluate, optimizer_contracts(kind, item.calls), seed)
        return
    interface = class_interface(item.name)
    is_named_loss = against is not None and against.replace("-", "_") in losses.NAMES
    is_known_loss = interface is not None and interface.layer is None and interface.against in losses.NAMES
    is_layer = interface is not None and interface.layer is not None and "loss" not in item.name.lower()
    seems_loss = is_loss(item.calls) and not is_layer and not _takes_options(item)
    if is_named_loss or (against is None and (is_known_loss or seems_loss)):
        yield from _loss_results(file, item, against, seed, notes)
        return
    layer = None if against is None else expressions.layer(against)
    yield from layer_results(file, item, layer, base, seed, notes)


def _course_results(
    file: CheckedFile, item: Item, base: LearnerTask, seed: int, notes: list[str]
) -> Iterator[CheckResult]:
    """Yield the results under the first contract of a course that the code keeps to, or else those of the last one."""
    report = Report(item.name, ())
    for entry in item.entries:
        text = entry.text(item.name)
        try:
            report = stated_report(file, text, entry.against, replace(base, shape=entry.shape), seed)
        except (StudentError, ShapeError) as error:
            report = Report(item.name, (failure_result(item.name, error),), (contract_note(parse(text)),))
        if any(result.checked for result in report.results):
            break
    notes += [f"{item.name}: {note}" for note in report.notes if note.startswith("contract: ")]
    yield from report.results


def _takes_options(item: Item) -> bool:
    """Return whether an argument of forward is a dictionary of options."""
    return not DATA["dictionaries"].keys().isdisjoint(CallSignature.of(item.calls[0]).arguments)


def _loss_results(
    file: CheckedFile, item: Item, against: str | None, seed: int, notes: list[str]
) -> Iterator[CheckResult]:
    interface = class_interface(item.name)
    name = against
    if name is None and interface is not None:
        if interface.against in (*losses.NAMES, "multiclass_hinge"):
            name = interface.against
        elif interface.against == "Softmax":
            name = "softmax_cross_entropy"
    candidates = losses_of(name)
    if against is None and name in PROBABILITIES and "softmax" not in item.name.lower():
        candidates += losses_of(PROBABILITIES[name])
    texts = [*dict.fromkeys(loss_contracts(item.calls))]
    report = loss_report(file, item.name, texts, candidates, seed, lenient=against is None)
    notes += [f"{item.name}: {note}" for note in report.notes]
    yield from report.results


def code_of(item: Item) -> LearnerCode:
    """Return the calls of a class or a pair of functions for `read`."""
    signatures = [CallSignature.of(call) for call in item.calls]
    if not signatures[0].name.startswith("self = "):
        return LearnerCode(item.name, None, (signatures[0],), tuple(signatures[1:]))
    return LearnerCode.of_class(item.name, item.calls)


def layer_results(
    file: CheckedFile, item: Item, layer: Layer | None, base: LearnerTask, seed: int, notes: list[str]
) -> Iterator[CheckResult]:
    """Yield the results of a layer: with the first options of its kind, and with others if these are right."""
    reading = read(file, code_of(item), layer, base.shape, base.samples)
    case = reading.case
    if case is None:
        task = replace(base, shape=reading.shape, shapes=reading.shapes, contract=reading.contract)
    else:
        task = replace(
            base,
            against=case.layer,
            shape=case.shape,
            larger=case.larger,
            contract=reading.contract,
            options=case.options,
        )
    report = layer_report(file, task, seed)
    notes += [f"{item.name}: {note}" for note in report.notes if note.startswith("contract")]
    yield from report.results
