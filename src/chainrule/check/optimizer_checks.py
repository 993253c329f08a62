"""The check of optimizers: the parameters after each step, compared with those of this library's optimizer.

A wrong path is compared with those of classic mistakes, which are changes of one general rule.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from chainrule.check.failures import failure_result
from chainrule.check.guest.optimizers import Descent
from chainrule.check.known_interfaces import DATA, class_interface, impossible_value
from chainrule.check.optimizer_contracts import contracts
from chainrule.check.optimizer_rules import Rule, Trajectory, mistakes
from chainrule.check.report import CheckResult, Diagnosis
from chainrule.check.results import NOT_CHECKED
from chainrule.check.wrong_numbers import FirstWrong
from chainrule.custom.calls import Array, InterfaceError
from chainrule.errors import OptionError, StudentError, UnwrittenError
from chainrule.training.optimizers import NAMED, Optimizer

STEPS, PARAMETERS = 5, 9
SMALLEST_SCALE, LARGEST_SCALE = 0.05, 20  # of the parameters' gradients: they differ, so that √v and ε matter
OPTIONS: dict[str, tuple[str, ...]] = DATA["optimizers"]["options"]  # by name in this library
WORDS: dict[str, tuple[str, ...]] = DATA["optimizers"]["words"]
RANGES: dict[str, tuple[float, float]] = DATA["optimizers"]["ranges"]
USUAL: dict[str, tuple[float, ...]] = DATA["optimizers"]["usual"]
CONTRACT = '{name}: state how it is called: --contract "{contract}" (docs/checking.md#contracts)'
PAGES = {kind: f"docs/derivations/updates.md#{kind.removesuffix('w')}" for kind in OPTIONS}
VISIBLE = 10  # smallest effect of an option on the steps, in tolerances, that shows whether it is used
CHANGED = Diagnosis("arguments-overwritten", "is right, but it changes its arguments: return new arrays")


def optimizer_results(
    name: str, kind: str, descend: Callable[[Descent], Mapping[str, Array]], contracts: Iterable[str], seed: int
) -> Iterator[CheckResult]:
    """Yield the result of an optimizer, whose steps are compared with those of this library's optimizer.

    An error in the code is the result's diagnosis. Options that are not known have several usual values. The optimizer
    is right if its steps are those of any of them.
    If it is wrong, the first diagnosis that applies is reported: an impossible value, then a mistake in the rule.

    kind       name of the optimizer in this library
    descend    runs the optimizer in the learner's process
    contracts  how it may be called; the first that the code keeps to is used
    """
    tried = [*contracts]
    try:
        yield _optimizer_result(name, kind, descend, tried, seed)
    except StudentError as error:
        notes = ()
        if isinstance(error, InterfaceError) and tried:
            notes = (CONTRACT.format(name=name, contract=tried[0].replace('"', "'")),)
        yield failure_result(name, error, tensor="update", notes=notes)


def _optimizer_result(
    name: str, kind: str, descend: Callable[[Descent], Mapping[str, Array]], contracts: Sequence[str], seed: int
) -> CheckResult:
    """Return the result of an optimizer; StudentError for any error in the code, or if it keeps to no contract."""
    generator = np.random.default_rng(seed)
    start = generator.normal(size=PARAMETERS)
    scales = np.geomspace(SMALLEST_SCALE, LARGEST_SCALE, PARAMETERS)
    gradients = generator.normal(size=(STEPS, PARAMETERS)) * scales
    drawn = dict[str, float]()
    for option in OPTIONS[kind]:
        drawn[option] = float(generator.uniform(*RANGES[option]))
    runs = [Descent(start, gradients, drawn, words_of(kind), contract) for contract in contracts]
    results, contract = _first_results(name, runs, descend)
    path = Trajectory(results["parameters"], start, gradients)
    used = dict[str, float]()
    for option in drawn:
        if option in results:
            used[option] = float(np.real(results[option]).item())
    try:
        rules = [Rule.of(*_optimizer(kind, options)) for options in _possible_options(kind, results, drawn)]
    except OptionError as error:
        raise InterfaceError(f"{name}: {error}") from None
    comparisons = list(map(path.compare, rules))
    closest = min(range(len(rules)), key=lambda number: comparisons[number].error)
    best = comparisons[closest]
    fitting = rules[closest]
    is_right = best.error <= path.tolerance
    result = CheckResult(name, "update", f"{STEPS} steps", best.error, path.tolerance, is_right)
    if is_right:
        result = replace(result, notes=_unusual_options(name, used, drawn))
        if "changed" in results and ".init(" in contract:
            result = replace(result, ok=False, diagnoses=(CHANGED,))
    else:
        result = replace(result, worst=best.worst, diagnoses=_mistake(path, rules, used))
        if best.worst is not None and not result.accepted:
            first = FirstWrong(best.worst.index, best.worst.actual, best.worst.expected, page=PAGES[kind])
            result = replace(result, first=first)
    hidden = _hidden_option(kind, fitting, path)
    if hidden is not None and result.is_right:
        message = f"is not checked: its {hidden} is too small to be seen in its steps: choose a usual value"
        result = replace(result, ok=False, checked=False, diagnoses=(Diagnosis(NOT_CHECKED, message),))
    return result


def _unusual_options(name: str, used: Mapping[str, float], drawn: Mapping[str, float]) -> tuple[str, ...]:
    """Return notes about options that are not those drawn, 0, or usual."""
    notes = list[str]()
    for option, value in used.items():
        usual = USUAL[option]
        if value not in (0, drawn[option], *usual):
            shown = ", ".join(f"{number:g}" for number in usual)
            notes.append(f"{name} has {option} = {value:g}; usual values are {shown}")
    return tuple(notes)


def _mistake(path: Trajectory, rules: Sequence[Rule], used: Mapping[str, float]) -> tuple[Diagnosis, ...]:
    """Return the first mistake that explains a wrong path: an impossible value, or a changed rule."""
    for option, value in used.items():
        if value:
            impossible = impossible_value(option, value)
            if impossible:
                return impossible
    for rule in rules:
        for diagnosis, step in mistakes():
            if path.compare(replace(rule, step=step)).error <= path.tolerance:
                return (diagnosis,)
    return ()


def optimizer_contracts(kind: str, calls: Sequence[str]) -> Iterator[str]:
    """Yield the contracts to try for an optimizer with these signatures."""
    unsure = [option for option in OPTIONS[kind] if _is_optional(option, kind)]
    yield from contracts(calls, words_of(kind), unsure)


def words_of(kind: str) -> dict[str, Sequence[str]]:
    """Return the usual names of the options of an optimizer, by option."""
    return {option: WORDS[option] for option in OPTIONS[kind]}


def _first_results(
    name: str, runs: Sequence[Descent], descend: Callable[[Descent], Mapping[str, Array]]
) -> tuple[Mapping[str, Array], str]:
    """Return the results under the first contract that the code keeps to, and the contract.

    Errors   that of the last contract where the code itself fails; if there is none, that of the last contract
    """
    error = InterfaceError(f"{name} has none of the usual methods, such as update(w, dw)")
    failure: StudentError | None = None
    for run in runs:
        try:
            results = descend(run)
        except UnwrittenError:
            raise
        except InterfaceError as other:
            error = other
            continue
        except StudentError as other:
            failure = other
            continue
        claimed = results.get("parameters", run.start)
        is_path = claimed.shape == run.gradients.shape and claimed.dtype.kind == "f"
        # a result that a proposed contract does not use may be the parameters
        if is_path and not ("ignored" in results and len(runs) > 1):
            return results, run.contract
        error = InterfaceError(f"{name} did not return parameters")
    raise failure or error


def _is_optional(option: str, kind: str) -> bool:
    """Return whether an optimizer may lack an option that its name does not suggest."""
    return (option, kind) == ("momentum", "sgd") or (option == "weight_decay" and kind != "adamw")


def _hidden_option(kind: str, rule: Rule, path: Trajectory) -> str | None:
    """Return what distinguishes a kind of optimizer, if the steps of the rule show no effect of it; else None."""
    match kind:
        case "momentum":
            name = "momentum"
            plain = replace(rule, first=0.0, nesterov=False)
        case "nesterov":
            name = "momentum"
            plain = replace(rule, nesterov=False)
        case "adamw":
            name = "weight decay"
            plain = replace(rule, decay=0.0)
        case _:
            return None
    claimed = plain.trajectory(path.start, path.gradients)
    if Trajectory(claimed, path.start, path.gradients).compare(rule).error <= VISIBLE * path.tolerance:
        return name
    return None


def optimizer_kind(name: str) -> str | None:
    """Return the name in this library of an optimizer with this usual name; None for other names."""
    known_interface = class_interface(name)
    if known_interface is not None and known_interface.against in OPTIONS:
        return known_interface.against
    return None


def _possible_options(kind: str, used: Mapping[str, Array], drawn: Mapping[str, float]) -> Iterator[dict[str, float]]:
    """Yield the values of the options that an optimizer may have: those in use, and usual values of all others.

    A value in use counts only within the bounds that the option has in practice.
    """
    possible = list[tuple[float, ...]]()
    for option in drawn:
        optional = _is_optional(option, kind)
        if option in used:
            if used[option].size != 1 or not (optional or used[option]):
                raise InterfaceError(f"{option} is {used[option]}")
            number = float(np.real(used[option]).item())
            if not number or not impossible_value(option, number):
                possible.append((number,))
                continue
        possible.append((*USUAL[option], 0.0) if optional else USUAL[option])
    for values in product(*possible):
        yield dict(zip(drawn, values, strict=True))


def _optimizer(kind: str, options: Mapping[str, float]) -> tuple[Optimizer, float]:
    """Return an optimizer of this library, and the decay to add to the gradient: that of Adam, as in PyTorch."""
    own = dict(options)
    coupled = 0.0
    if kind == "adam":
        coupled = own.pop("weight_decay")
    if kind == "sgd":
        kind = "momentum"
    return NAMED[kind](**own), coupled
