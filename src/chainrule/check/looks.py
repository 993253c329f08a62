"""Further looks at a learner's code, beyond one point: other calls, other batches, other memory, far from zero.

Each look compares with what is known to be right already: the results at the probe, the layer that the code is meant to
be, or derivatives by numbers at another point. It gives rows only where something is wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check import comparing, probes
from chainrule.check.diagnoses.remedies import overflow
from chainrule.check.judging import ROUNDED
from chainrule.check.report import Diagnosis, Row
from chainrule.check.rows import FLAT, FLAT_SINGLE, Probe, gradient_row, numbers_of
from chainrule.check.student_losses import StudentLoss
from chainrule.check.students import StudentSubject
from chainrule.check.subjects import Subject, Values
from chainrule.engines import Array
from chainrule.errors import StudentError

ENTRIES = 60  # of a tensor that are looked at one by one, far from zero
LARGE = 1000.0
OVERWRITTEN = "arrays-overwritten"
NARROW = 1e-3  # what an error may be with inputs in float32
HALF = 1e-3  # tolerances above this are those of 16-bit numbers, which end at 65504

UNBOUNDED = ("half_squared_error", "mean_squared_error", "softmax_cross_entropy")  # losses of any predictions

STALE = Diagnosis(
    "stale-forward", "belongs to an earlier call of forward: backward follows the last one, so keep what that one saw"
)
STATE = Diagnosis("state-between-calls", "depends on calls before this one: forward may keep nothing that changes it")
STRIDED = Diagnosis(
    "memory-layout",
    "is wrong for arrays with gaps in memory, such as slices: go by shape and index, not by bytes",
)
ONE = Diagnosis("batch-of-one", "is right for several samples and wrong for one: nothing may depend on their number")
MANY = Diagnosis("batch-size", "is right for one number of samples and wrong for another")
SINGLE = Diagnosis("float32-inputs", "is wrong for inputs in float32: make new arrays in the dtype of x")
FAR = Diagnosis(
    "wrong-far-from-zero",
    "is right near 0 and wrong further out: see whether a bound is left out, such as the 6 of ReLU6",
)


CANCELLED = 0.01  # of inputs far from zero: a smaller output is a sum that nearly cancels


@dataclass(frozen=True)
class Known:
    """The probe of which all is known, and what the code gave there.

    tolerances   what an error may be, by tensor, y among them
    right        the tensors that are right at the probe: of the others enough is said already
    """

    probe: Probe
    claimed: Mapping[str, Array]
    tolerances: Mapping[str, float]
    right: frozenset[str]

    @property
    def subject(self) -> Subject:
        """Return the code that is looked at."""
        return self.probe.subject

    def given(self, values: Values, dy: Array | None = None) -> dict[str, Array]:
        """y and the gradients that the code gives for these values, in the shapes in which it gives them."""
        y = self.subject.output(values)
        dy = np.resize(self.probe.dy, y.shape) if dy is None else dy
        return {"y": y, **self.subject.gradients(values, dy)}

    def beside(
        self, method: str, found: Values, right: Values, told: Diagnosis, tolerance: float = 0.0, x: Array | None = None
    ) -> list[Row]:
        """Return the rows of what differs from what is right by more than its tolerance, or by more than this one.

        x   inputs far from zero, whose rounding shows where an output is a sum that nearly cancels
        """
        rounded = 0.0 if x is None else CANCELLED * float(np.abs(x).max(initial=0.0))
        rows, largest = list[Row](), float(np.abs(self.probe.dy).max(initial=0.0))
        for tensor in [tensor for tensor in found if tensor in self.right and tensor in right]:
            allowed = max(self.tolerances[tensor], tolerance)
            row = Row(self.subject.name, tensor, method, None, allowed, False, diagnoses=(told,))
            if found[tensor].shape != right[tensor].shape:
                said = comparing.shapes_differ(row.title, found[tensor], right[tensor].shape)
                rows.append(replace(row, notes=(said,)))
                continue
            floor = (FLAT if allowed < ROUNDED else FLAT_SINGLE) * largest
            floor = max(floor, rounded) if tensor == "y" else floor
            result = comparing.with_array(found[tensor], right[tensor], floor)
            if result.error > allowed:
                error = result.error if np.isfinite(result.error) else None
                rows.append(replace(row, error=error, worst=result.worst if error is not None else None))
        return rows


def all_looks(known: Known, other: Values, judged: bool) -> list[Row]:
    """Return the mistakes that show beyond the probe, the first of each tensor.

    other   another point, with tensors of the same shapes
    judged  whether the output is that of the judge's layer, which then knows what is right elsewhere
    """
    looks: list[Callable[[], list[Row]]] = [lambda: untouched(known), lambda: another_forward(known, other)]
    if isinstance(known.subject, StudentSubject):
        looks += [lambda: with_gaps(known), lambda: in_float32(known)]
    if "x" in known.probe.values:
        looks.append(lambda: wide(known, judged))
    if known.probe.judge is None:
        looks += [lambda: batch(known, 1, ONE), lambda: batch(known, len(known.probe.values["x"]) + 1, MANY)]
    looks.append(lambda: large(known, judged))
    found: dict[tuple[str, bool], Row] = {}
    for look in looks:
        for row in _attempted(known, look):
            found.setdefault((row.tensor, look is looks[0]), row)
    return list(found.values())


def _attempted(known: Known, look: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a look; code that fails there has not stood it."""
    try:
        return look()
    except StudentError as error:
        return [failed(known.subject.name, "another call", error)]


def failed(name: str, method: str, error: StudentError) -> Row:
    """The row of code that fails where it should not."""
    tensor = "x" if ".backward" in str(error) else "y"
    return Row(name, tensor, method, None, 0.0, False, diagnoses=(Diagnosis("fails", f"is not computed: {error}"),))


def untouched(known: Known) -> list[Row]:
    """The arrays of the caller and the parameters, which a call must leave as they are."""
    subject, rows = known.subject, list[Row]()
    if not isinstance(subject, StudentSubject | StudentLoss):
        return []
    subject.output(known.probe.values)
    calls = {"forward": subject.changed}
    subject.gradients(known.probe.values, known.probe.dy)
    backward = subject.changed
    calls["backward"] = tuple(name for name in backward if name not in calls["forward"])
    for call, names in calls.items():
        if names:
            tensor = "y" if call == "forward" else subject.tests[0]
            told = Diagnosis(OVERWRITTEN, _overwritten(call, names))
            rows.append(Row(subject.name, tensor, "arrays left as they were", None, 0.0, False, diagnoses=(told,)))
    return rows


def _overwritten(call: str, names: tuple[str, ...]) -> str:
    lent = [name for name in names if name in ("x", "dy", "y", "p", "t")]
    own = [name for name in names if name not in lent]
    parts: list[str] = []
    if lent:
        parts.append(f"overwrites {' and '.join(lent)}, which the caller still needs: work on a copy")
    if own:
        parts.append(f"changes {' and '.join(own)}: the update belongs to the optimizer, after backward")
    return f"comes from a {call} that {'; and '.join(parts)}"


def another_forward(known: Known, other: Values) -> list[Row]:
    """Forward of other values, forward of these, then backward: all belongs to the last forward."""
    probe, subject = known.probe, known.subject
    subject.output(other)
    found = {"y": subject.output(probe.values)}
    rows = known.beside("after another forward", found, {"y": probe.output}, STATE)
    subject.output(other)
    return rows + known.beside("after another forward", subject.gradients(probe.values, probe.dy), known.claimed, STALE)


def with_gaps(known: Known) -> list[Row]:
    """The same numbers in arrays with gaps in memory."""
    subject = known.subject
    if not isinstance(subject, StudentSubject):
        return []
    subject.strided = True
    try:
        found = known.given(known.probe.values, known.probe.dy)
    finally:
        subject.strided = False
    return known.beside("arrays with gaps", found, {"y": known.probe.output, **known.claimed}, STRIDED)


def in_float32(known: Known) -> list[Row]:
    """Inputs in float32, beside the same numbers in float64. A second try, should rounding have crossed a kink."""
    rows: list[Row] = []
    for factor in (1.0, 0.75):
        single = {name: (factor * value).astype(np.float32) for name, value in known.probe.values.items()}
        double = {name: value.astype(np.float64) for name, value in single.items()}
        dy = known.probe.dy.astype(np.float32)
        right = known.given(double, dy.astype(np.float64))
        rows = known.beside("inputs in float32", known.given(single, dy), right, SINGLE, NARROW)
        if not rows:
            break
    return rows


def wide(known: Known, judged: bool) -> list[Row]:
    """Inputs far from zero, where other branches of a function begin."""
    probe = known.probe
    values = {**probe.values, "x": probes.far(probe.values["x"].shape, probe.generator)}
    method = f"inputs up to ±{probes.FAR:.0f}"
    if judged and probe.judge is not None:
        found, dy = known.given(values, probe.dy), probe.dy
        right = {"y": probe.judge.output(values), **probe.judge.gradients(values, dy)}
        return known.beside(method, found, right, FAR, x=values["x"])
    return list(by_numbers(known, values, method, FAR))


def by_numbers(known: Known, values: Values, method: str, told: Diagnosis) -> Iterator[Row]:
    """The gradients at another point beside derivatives by numbers; nothing where the output is not finite."""
    y = known.subject.output(values)
    if not np.isfinite(y).all():
        return
    dy = np.resize(known.probe.dy, y.shape)
    there = replace(known.probe, values=values, dy=dy, output=y, judge=None)
    claimed, numbers = known.subject.gradients(values, dy), numbers_of(there, ENTRIES)
    for tensor in known.subject.tests:
        row = gradient_row(there, tensor, claimed.get(tensor), numbers)
        if row.wrong and tensor in known.right:
            yield replace(row, method=f"{row.method}, {method}", diagnoses=row.diagnoses or (told,))


def batch(known: Known, samples: int, told: Diagnosis) -> list[Row]:
    """Another number of samples, where no judge has looked at one."""
    shape = (samples, *known.probe.values["x"].shape[1:])
    values, method = {**known.probe.values, "x": known.probe.generator.normal(size=shape)}, f"batch of {samples}"
    try:
        return list(by_numbers(known, values, method, told))
    except StudentError as error:
        return [failed(known.subject.name, method, error)]


def large(known: Known, judged: bool) -> list[Row]:
    """Inputs around ±1,000, where eˣ is infinite: the right output, or at least one that is a number."""
    probe, name = known.probe, known.subject.tests[0]
    operation = probe.judge.truth(probe.values, probe.dy).operation if probe.judge else ""
    if max(known.tolerances.values()) > HALF or (name == "p" and operation not in UNBOUNDED):
        return []
    signs = probe.generator.choice((-LARGE, LARGE), probe.values[name].shape)
    values = {**probe.values, name: signs * probe.generator.uniform(0.5, 1, signs.shape)}
    told = Diagnosis("overflow", overflow(operation))
    try:
        found = known.given(values, probe.dy)
    except StudentError as error:
        row = failed(known.subject.name, "large inputs", error)
        return [replace(row, diagnoses=(replace(told, says=f"{told.says} ({error})"),))]
    if judged and probe.judge is not None:
        right = {"y": probe.judge.output(values), **probe.judge.gradients(values, probe.dy)}
        finite = all(np.isfinite(array).all() for array in found.values())
        rows = known.beside("large inputs", found, right, FAR if finite else told, x=values[name])
        return [row for row in rows if row.tensor == "y"] or rows  # what backward makes of nan is no second mistake
    row = Row(known.subject.name, "y", "large inputs", None, 0.0, False, diagnoses=(told,))
    return [row] if np.isnan(found["y"]).any() else []
