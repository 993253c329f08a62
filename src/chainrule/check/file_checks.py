"""The check of a file: its layers, losses and optimizers, each under a contract, are checked one after another."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.check.checked_file import CheckedFile
from chainrule.check.contracts import contract_note, layer_report, uncovered_results
from chainrule.check.failures import failure_result
from chainrule.check.host.process import SLOW, GuestEnded, GuestSlow
from chainrule.check.known_interfaces import DATA, NAMES, class_interface
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.loss_checks import check_loss
from chainrule.check.loss_interface import losses_of, read_loss
from chainrule.check.optimizer_checks import optimizer_contracts, optimizer_kind, optimizer_results
from chainrule.check.reading import AmbiguousError, read
from chainrule.check.report import CheckResult, Report
from chainrule.custom.calls import InterfaceError
from chainrule.custom.contract import PARAMETERS, parse
from chainrule.custom.gradient_names import role_of
from chainrule.custom.losses import is_loss
from chainrule.custom.names import NAMES as USUAL_NAMES
from chainrule.custom.proposal import LearnerCode
from chainrule.custom.signatures import CallSignature
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import Layer, expressions
from chainrule.network import losses

COMPLETE = '{name}: state how it is called: --contract "{contract}" (docs/checking.md#contracts)'
PROBABILITIES = {"softmax_cross_entropy": "categorical_cross_entropy"}


@dataclass
class Item:
    """A function, a class or a pair of functions in a file.

    calls     its calls; those of a pair are its two functions
    backward  name of the second function; None for others
    """

    name: str
    calls: Sequence[str]
    backward: str | None = None


def items_of(contents: Mapping[str, Sequence[str]]) -> dict[str, Item]:
    """Return the classes, and the functions with their backward functions, that a file contains."""
    items = dict[str, Item]()
    used = set[str]()
    for name, calls in contents.items():
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
    return {name: item for name, item in items.items() if name not in used or item.backward is not None}


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


def check_file(
    file: CheckedFile,
    title: str,
    seed: int,
    base: LearnerTask = ANY_LAYER,
    names: Collection[str] | None = None,
    against: str | None = None,
) -> Report:
    """Return the report of a file's functions and classes.

    base     the input shape, and the treatment of ties
    names    names of the functions and classes to check; None: all
    against  the layer, the loss or the optimizer that all of them should compute; None: find out
    """
    contents = file.contents([*(names or ())])
    selected = dict[str, Item]()
    for name, item in items_of(contents).items():
        if names is None or not {name, item.backward}.isdisjoint(names):
            selected[name] = item
    if names is not None and not selected:
        raise StudentError(
            f"{title} has no {', '.join(names)}; it has: {', '.join(items_of(contents)) or 'nothing to check'}"
        )
    results = list[CheckResult]()
    notes = list[str]()
    for item in selected.values():
        file.start_part()
        part = _item_report(file, item, base, seed, against)
        results += part.results
        notes += part.notes
    if names is None:
        covered = {*selected, *(item.backward for item in selected.values() if item.backward is not None)}
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
    signatures = [CallSignature.of(call) for call in item.calls]
    if item.backward is not None:
        first, second = signatures
        forward = {name: role_of(name) or name for name in first.arguments}
        forward |= dict.fromkeys([*first.arguments][:1], "x")
        backward = {name: "dy" if name in USUAL_NAMES.upstream else name for name in second.arguments}
        gradients = ["dx", *(f"d{name}" for name in forward.values() if name in PARAMETERS)]
        return f"y, cache = {first.call(forward)}; {', '.join(gradients)} = {second.call(backward)}"
    code = LearnerCode.of_class(item.name, item.calls)
    lines = [signatures[0].call({argument: argument for argument in signatures[0].required}), "self.W = w"]
    backwards = [call for call in code.backward if call not in code.forward[:1]]
    for calls, line in ((code.forward, "y = {}"), (backwards, "dx = {}")):
        for call in calls[:1]:
            lines.append(line.format(call.call({argument: argument for argument in call.required})))
    return "; ".join([*lines, "dw = self.dW"])


def _item_results(
    file: CheckedFile, item: Item, base: LearnerTask, seed: int, against: str | None, notes: list[str]
) -> Iterator[CheckResult]:
    """Yield the results of an optimizer, a loss or a layer."""
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
    reading = read_loss(file, item.name, item.calls, candidates, seed, lenient=against is None)
    notes += [f"{item.name}: {reading.note}"] * bool(reading.note)
    notes.append(f"{item.name}: {contract_note(parse(reading.contract))}")
    yield from check_loss(file.layer(reading.contract), reading.intended, seed, reading.one_hot).results


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
