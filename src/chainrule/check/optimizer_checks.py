"""The check of optimizers: the parameters after each step, compared with those of this library's optimizer.

A wrong path is compared with those of classic mistakes, which are changes of one general rule.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from chainrule.check.comparison import TINY, Comparison, compare_with_array
from chainrule.check.constructors import CONTRACT
from chainrule.check.extra_checks import failure_row
from chainrule.check.forms import DATA, class_format, impossible_value
from chainrule.check.optimizer_contracts import contracts
from chainrule.check.report import EPSILON_INSIDE, EPSILON_SCALED, VELOCITY_MEAN, Diagnosis, Row
from chainrule.check.rows import NOT_CHECKED
from chainrule.check.wrong_numbers import FirstWrong, WorstEntry
from chainrule.custom.calls import Array, FormError
from chainrule.custom.optimizers import Descent
from chainrule.errors import OptionError, StudentError, UnwrittenError
from chainrule.training.optimizers import NAMED, Optimizer

STEPS, PARAMETERS = 5, 9
SMALLEST_SCALE, LARGEST_SCALE = 0.05, 20  # of the parameters' gradients: they differ, so that √v and ε matter
TOLERANCE, FLOAT32_TOLERANCE = 1e-8, 1e-3  # relative to the longest step of each parameter
OPTIONS: dict[str, tuple[str, ...]] = DATA["optimizers"]["options"]  # by name in this library
WORDS: dict[str, tuple[str, ...]] = DATA["optimizers"]["words"]
RANGES: dict[str, tuple[float, float]] = DATA["optimizers"]["ranges"]
USUAL: dict[str, tuple[float, ...]] = DATA["optimizers"]["usual"]
PAGES = {kind: f"docs/derivations/updates.md#{kind.removesuffix('w')}" for kind in OPTIONS}
VISIBLE = 10  # smallest effect of an option on the steps, in tolerances, that shows whether it is used
CHANGED = Diagnosis("arguments-overwritten", "is right, but it changes its arguments: return new arrays")


@dataclass(frozen=True)
class Rule:
    """A general update rule: h = g + coupled·p,  m ← β m + share·h,  v ← β₂ v + share₂·h²,  p ← p − rate·m̂/(√v̂ + ε).

    decay      the parameters are multiplied by 1 − rate·decay before the step, or after it if `late`
    scaled     whether to divide by √v̂ + ε
    corrected  whether m̂ and v̂ are corrected for their start at 0; `shift` is added to the number of the step
    nesterov   whether the step is h + β m instead of m̂
    root       power of v in the step
    inside     whether ε is under the root
    uncorrected whether ε is added to √v instead of √v̂
    forgets    whether m and v are 0 before each step
    """

    rate: float
    first: float = 0.0
    share: float = 1.0
    second: float = 0.0
    second_share: float = 1.0
    epsilon: float = 0.0
    decay: float = 0.0
    coupled: float = 0.0
    scaled: bool = False
    corrected: tuple[bool, bool] = (False, False)
    shift: int = 0
    nesterov: bool = False
    root: float = 0.5
    inside: bool = False
    uncorrected: bool = False
    late: bool = False
    forgets: bool = False

    @classmethod
    def of(cls, optimizer: Optimizer, coupled: float = 0.0) -> "Rule":
        """Return the rule of an optimizer of this library (RMSProp without momentum), with a decay in the gradient."""
        options = optimizer.attributes()
        decay, epsilon = options.get("decay", 0.0), options.get("epsilon", 0.0)
        rule = cls(optimizer.learning_rate, epsilon=epsilon, nesterov=options.get("nesterov", False))
        if "beta1" in options:
            one, two = options["beta1"], options["beta2"]
            rule = replace(rule, first=one, share=1 - one, second=two, second_share=1 - two, corrected=(True, True))
            return replace(rule, decay=decay, coupled=coupled, scaled=True)
        if "alpha" in options:
            alpha = options["alpha"]
            return replace(rule, second=alpha, second_share=1 - alpha, coupled=decay, scaled=True)
        return replace(rule, first=options.get("momentum", 0.0), coupled=decay)

    @np.errstate(all="ignore")
    def trajectory(self, start: Array, gradients: Array) -> Array:
        """Return the parameters after each step (steps, n). They are NaN for the root of a negative number.

        start      the parameters p before the first step (n,)
        gradients  the gradient g of each step (steps, n)

        A rule with rate 0.1 and no other options moves from p = 1 with g = 2, then 3, to 0.8 and 0.5.
        """
        p = start
        trajectory = list[Array]()
        zeros = np.zeros_like(start)
        m, v = zeros, zeros
        for step, gradient in enumerate(gradients, 1 + self.shift):
            if self.forgets:
                m, v = zeros, zeros
            h = gradient + self.coupled * p
            m = self.first * m + self.share * h
            v = self.second * v + self.second_share * h**2
            # Because m and v start at 0, they are too small by the factors 1 − βᵗ and 1 − β₂ᵗ.
            corrects_m, corrects_v = self.corrected
            m_factor = 1 - self.first**step if corrects_m else 1.0
            v_factor = 1 - self.second**step if corrects_v else 1.0
            direction = m / m_factor
            if self.nesterov:
                direction = h + self.first * m
            move = self.rate * direction
            if self.scaled:
                move = move / self._scale(v / v_factor, v_factor)
            shrinkage = 1 - self.rate * self.decay
            if self.late:
                p = (p - move) * shrinkage
            else:
                p = p * shrinkage - move
            trajectory.append(p)
        return np.stack(trajectory)

    def _scale(self, v: Array, v_factor: float) -> Array:
        """Return √v̂ + ε, the divisor of a step, or its variant: another power, or ε under the root or added to √v.

        Adding ε to √v before the correction, with v = v̂·v_factor, equals adding ε/√v_factor to √v̂.
        """
        if self.uncorrected:
            epsilon = self.epsilon / v_factor**self.root
        else:
            epsilon = self.epsilon
        if self.inside:
            return (v + epsilon) ** self.root
        return v**self.root + epsilon


@dataclass(frozen=True)
class Trajectory:
    """The path of an optimizer that is checked.

    claimed    the parameters after each step (steps, n)
    start      the first parameters (n,)
    gradients  the gradients of the steps (steps, n)
    """

    claimed: Array
    start: Array
    gradients: Array

    @property
    def tolerance(self) -> float:
        """Largest accepted error, which depends on the precision of the code."""
        if self.claimed.dtype.itemsize >= 8:
            return TOLERANCE
        return FLOAT32_TOLERANCE

    def compare(self, rule: Rule) -> Comparison:
        """Compare the path with that of a rule. Errors are relative to the longest step of each parameter.

        Relative to the parameters themselves, an error in a short step would disappear.
        """
        expected = rule.trajectory(self.start, self.gradients)
        steps = np.diff(expected, axis=0, prepend=self.start[None])
        longest = np.maximum(np.abs(steps).max(axis=0), TINY)
        comparison = compare_with_array((self.claimed - self.start) / longest, (expected - self.start) / longest, 1.0)
        worst = comparison.worst
        if worst is None:
            return comparison
        # The comparison contains scaled distances from the start. The report shows the parameters themselves.
        index = worst.index
        return replace(comparison, worst=WorstEntry(index, float(self.claimed[index]), float(expected[index])))


MISTAKES: Sequence[tuple[str, str, Callable[[Rule], Rule]]] = (  # name, message, and the changed rule
    (VELOCITY_MEAN, "uses the mean v ← μ v + (1 − μ) g, with steps 1 − μ times as long as those of v ← μ v + g",
     lambda rule: replace(rule, share=1 - rule.first)),
    (EPSILON_INSIDE, "adds ε under the root; the usual form is √v + ε", lambda rule: replace(rule, inside=True)),
    (EPSILON_SCALED,
     "adds ε to √v before the correction, p ← p − α √(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε), as in section 2 of Kingma & Ba; "
     "the usual form adds it to √(v/(1 − β₂ᵗ))", lambda rule: replace(rule, uncorrected=True)),
    ("gradient-added", "moves along the gradient: subtract the step",
     lambda rule: replace(rule, rate=-rule.rate, decay=-rule.decay)),
    ("no-bias-correction", "is not corrected for moments that start at 0: divide m by 1 − β₁ᵗ and v by 1 − β₂ᵗ",
     lambda rule: replace(rule, corrected=(False, False))),
    ("first-moment-not-corrected", "is not corrected for an m that starts at 0: divide it by 1 − β₁ᵗ",
     lambda rule: replace(rule, corrected=(False, rule.corrected[1]))),
    ("second-moment-not-corrected", "is not corrected for a v that starts at 0: divide it by 1 − β₂ᵗ",
     lambda rule: replace(rule, corrected=(rule.corrected[0], False))),
    ("step-number", "is corrected with the next step's number: the first step is t = 1",
     lambda rule: replace(rule, shift=1)),
    ("root-missing", "divides by v instead of its root", lambda rule: replace(rule, root=1.0)),
    ("not-scaled", "does not divide by √v + ε", lambda rule: replace(rule, scaled=False)),
    ("moments-forgotten", "forgets the moments of the steps before: return or store them",
     lambda rule: replace(rule, forgets=True)),
    ("no-momentum", "does not use the velocity", lambda rule: replace(rule, first=0.0, share=1.0, nesterov=False)),
    ("betas-swapped", "swaps β and 1 − β",
     lambda rule: replace(rule, first=rule.share, share=rule.first, second=rule.second_share,
                          second_share=rule.second) if rule.scaled else rule),
    ("learning-rate-twice", "is multiplied by the learning rate twice",
     lambda rule: replace(rule, rate=rule.rate**2, decay=rule.decay / rule.rate)),
    ("decay-left-out", "has no weight decay", lambda rule: replace(rule, decay=0.0, coupled=0.0)),
    ("decay-in-gradient", "has the weight decay in the gradient: multiply p by 1 − rate·decay instead",
     lambda rule: replace(rule, coupled=rule.decay, decay=0.0)),
    ("decay-without-rate", "has a weight decay that is not multiplied by the learning rate",
     lambda rule: replace(rule, decay=rule.decay / rule.rate)),
    ("decay-after-step", "shrinks the parameters after the step: multiply p by 1 − rate·decay before it",
     lambda rule: replace(rule, late=True)),
    ("nesterov-left-out", "is that of plain momentum: the step is g + μ v",
     lambda rule: replace(rule, nesterov=False)),
    ("nesterov", "is that of Nesterov's momentum: the step is v", lambda rule: replace(rule, nesterov=True)),
)  # fmt: skip


def optimizer_rows(
    name: str, kind: str, descend: Callable[[Descent], Mapping[str, Array]], contracts: Iterable[str], seed: int
) -> Iterator[Row]:
    """Yield the row of an optimizer, whose steps are compared with those of this library's optimizer.

    An error in the code is the row's diagnosis. Options that are not known have several usual values. The optimizer is
    right if its steps are those of any of them.
    If it is wrong, the first diagnosis that applies is reported: an impossible value, then a mistake in the rule.

    kind       name of the optimizer in this library
    descend    runs the optimizer in the learner's process
    contracts  how it may be called; the first that the code keeps to is used
    """
    tried = [*contracts]
    try:
        yield _optimizer_row(name, kind, descend, tried, seed)
    except StudentError as error:
        notes = ()
        if isinstance(error, FormError) and tried:
            notes = (CONTRACT.format(name=name, contract=tried[0].replace('"', "'")),)
        yield failure_row(name, error, tensor="update", notes=notes)


def _optimizer_row(
    name: str, kind: str, descend: Callable[[Descent], Mapping[str, Array]], contracts: Sequence[str], seed: int
) -> Row:
    """Return the row of an optimizer; StudentError for any error in the code, or if it keeps to no contract."""
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
        raise FormError(f"{name}: {error}") from None
    comparisons = list(map(path.compare, rules))
    closest = min(range(len(rules)), key=lambda number: comparisons[number].error)
    best, fitting = comparisons[closest], rules[closest]
    is_right = best.error <= path.tolerance
    row = Row(name, "update", f"{STEPS} steps", best.error, path.tolerance, is_right)
    if is_right:
        row = replace(row, notes=_unusual_options(name, used, drawn))
        if "changed" in results and ".init(" in contract:
            row = replace(row, ok=False, diagnoses=(CHANGED,))
    else:
        row = replace(row, worst=best.worst, diagnoses=_mistake(path, rules, used))
        if best.worst is not None and not row.accepted:
            first = FirstWrong(best.worst.index, best.worst.actual, best.worst.expected, page=PAGES[kind])
            row = replace(row, first=first)
    hidden = _hidden_option(kind, fitting, path)
    if hidden is not None and (row.ok or row.accepted):
        message = f"is not checked: its {hidden} is too small to be seen in its steps: choose a usual value"
        row = replace(row, ok=False, checked=False, diagnoses=(Diagnosis(NOT_CHECKED, message),))
    return row


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
        for mistake, message, change in MISTAKES:
            if path.compare(change(rule)).error <= path.tolerance:
                return (Diagnosis(mistake, message),)
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
    error = FormError(f"{name} has none of the usual methods, such as update(w, dw)")
    failure: StudentError | None = None
    for run in runs:
        try:
            results = descend(run)
        except UnwrittenError:
            raise
        except FormError as other:
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
        error = FormError(f"{name} did not return parameters")
    raise failure or error


def _is_optional(option: str, kind: str) -> bool:
    """Return whether an optimizer may lack an option that its name does not suggest."""
    return (option, kind) == ("momentum", "sgd") or (option == "weight_decay" and kind != "adamw")


def _hidden_option(kind: str, rule: Rule, path: Trajectory) -> str | None:
    """Return what distinguishes a kind of optimizer, if the steps of the rule show no effect of it; else None."""
    match kind:
        case "momentum":
            name, plain = "momentum", replace(rule, first=0.0, nesterov=False)
        case "nesterov":
            name, plain = "momentum", replace(rule, nesterov=False)
        case "adamw":
            name, plain = "weight decay", replace(rule, decay=0.0)
        case _:
            return None
    claimed = plain.trajectory(path.start, path.gradients)
    if Trajectory(claimed, path.start, path.gradients).compare(rule).error <= VISIBLE * path.tolerance:
        return name
    return None


def optimizer_kind(name: str) -> str | None:
    """Return the name in this library of an optimizer with this usual name; None for other names."""
    course_format = class_format(name)
    if course_format is not None and course_format.against in OPTIONS:
        return course_format.against
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
                raise FormError(f"{option} is {used[option]}")
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
