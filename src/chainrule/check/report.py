"""Reports of checks. Each tensor has a result. Reports are shown as a table, as JSON, or in a notebook."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chainrule.check.wrong_numbers import FirstWrong, WorstEntry

PLAIN_WIDTH = 160  # width of a plain-text report, in characters
DY_NOTE = "dy is the upstream gradient, the first argument of backward"
TITLES = ("name", "tensor", "method", "error", "verdict", "worst entry")
UNWRITTEN = "not-written"  # name of the diagnosis for an unwritten function
PADDING_ZERO = "padding-zero"  # name of the diagnosis for a slice that is empty without padding
DY_OVERWRITTEN, NUMBER_IN_LOGARITHM = "dy-overwritten", "number-in-logarithm"
MASK_SHARED, RESHAPED = "mask-shared-across-batch", "gradient-reshaped"
NOT_RETURNED, LOGARITHM_OF_ZERO, ROUNDED = "not-returned", "logarithm-of-zero", "rounded-constants"
ACCEPTED = (  # diagnoses of right results
    *(DY_OVERWRITTEN, NUMBER_IN_LOGARITHM, MASK_SHARED, RESHAPED, NOT_RETURNED, LOGARITHM_OF_ZERO, ROUNDED),
    *("velocity-mean", "epsilon-under-the-root", "epsilon-hat"),  # in `diagnoses/updates.toml`
)
PLAIN_TITLES = ("y", "update")  # results that are not gradients
SINGLE_ONLY = "right for single samples; fails for batches"  # verdict on code that takes one sample at a time
NOT_RETURNED_VERDICT = "not returned"  # verdict on a right gradient that is stored only
NOT_CHECKED = "not checked"  # verdict on code in a form that the checker cannot read
RIGHT, WRONG, UNCHECKED = 0, 1, 3  # exit codes; 2 is for unusable input


@dataclass(frozen=True)
class Diagnosis:
    """A classic mistake that reproduces a wrong result exactly.

    name     short, stable identifier
    message  the mistake and its correction, as a predicate whose grammatical subject is the tensor
    page     page with the derivation; None if there is none
    """

    name: str
    message: str
    page: str | None = None

    def __str__(self) -> str:
        if self.page is None:
            return self.message
        return f"{self.message} ({self.page})"


@dataclass(frozen=True)
class CheckResult:
    """The result of checking one tensor of a function, class, layer or model.

    tensor     y for the output, otherwise the tensor whose gradient was checked
    method     source of the expected values
    error      largest error relative to the largest expected element; None if nothing could be compared
    tolerance  largest accepted error
    diagnoses  mistakes that reproduce the result; several if they agree on every test case
    notes      limits of the check, such as kinks and rounding
    first      the first wrong element, with the terms of its sum
    checked    False if the tensor was not checked or there is no verdict; the result is then neither ok nor wrong
    failed     whether the code raised an error, so that there is no result
    single     whether the result is that of single samples, because the code does not take batches
    """

    name: str
    tensor: str
    method: str
    error: float | None = None
    tolerance: float = 0.0
    ok: bool = False
    worst: WorstEntry | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    notes: tuple[str, ...] = ()
    checked: bool = True
    first: FirstWrong | None = None
    failed: bool = False
    single: bool = False

    @property
    def title(self) -> str:
        """Name of the checked result, such as dx for the gradient of x, or y for the output."""
        layer, _, name = self.tensor.rpartition(".")
        if name not in PLAIN_TITLES:
            name = f"d{name}"
        if layer:
            return f"{layer}.{name}"
        return name

    @property
    def accepted(self) -> bool:
        """Whether the numbers are right, but the code violates a convention, such as leaving dy unchanged."""
        if self.ok or not self.checked or not self.diagnoses:
            return False
        return all(diagnosis.name in ACCEPTED for diagnosis in self.diagnoses)

    @property
    def is_right(self) -> bool:
        """Whether the numbers are right, even if the code violates a convention."""
        return self.ok or self.accepted

    @property
    def is_earned(self) -> bool:
        """Whether the result counts as right in grading: also for batches."""
        return self.is_right and not self.single

    @property
    def is_wrong(self) -> bool:
        """Whether the tensor was checked and found wrong."""
        return self.checked and not self.ok and not self.accepted

    @property
    def verdict(self) -> str:
        """The verdict in words: right, wrong, failed, incomplete or unchecked, and the limits of right results."""
        if self.single and self.is_right:
            return SINGLE_ONLY
        if self.accepted:
            if self.diagnoses[0].name == NOT_RETURNED:
                return NOT_RETURNED_VERDICT
            return "right, but"
        if self.ok:
            return "right"
        if self.checked:
            return "FAILS" if self.failed else "WRONG"
        if any(diagnosis.name == UNWRITTEN for diagnosis in self.diagnoses):
            return "not written"
        return NOT_CHECKED

    def to_json(self) -> dict[str, object]:
        """Return the result as plain values. ``diagnosis`` contains the diagnoses' short names, or None."""
        names = [diagnosis.name for diagnosis in self.diagnoses]
        content: dict[str, object] = {
            "name": self.name,
            "tensor": self.title,
            "method": self.method,
            "error": self.error,
            "tolerance": self.tolerance,
            "ok": self.ok,
            "verdict": self.verdict,
            "diagnosis": ", ".join(names) or None,
            "explanation": " Or: ".join(map(str, self.diagnoses)) or None,
            "first": None,
            "worst": None,
            "notes": list(self.notes),
        }
        if self.first is not None:
            content["first"] = asdict(self.first)
        if self.worst is not None:
            content["worst"] = [list(self.worst.index), self.worst.actual, self.worst.expected]
        return content


def has_wrong(results: Iterable[CheckResult]) -> bool:
    """Return whether any result is wrong."""
    return any(result.is_wrong for result in results)


def all_right(results: Iterable[CheckResult]) -> bool:
    """Return whether the numbers of all results are right. Tensors that are not checked are not."""
    return all(result.is_right for result in results)


@dataclass(frozen=True, repr=False)
class Report:
    """All results of a check. `str` returns a table. The report is truthy if everything was checked and is right.

    brief   whether the table shows one line per function or class, for a file with many functions
    """

    name: str
    results: tuple[CheckResult, ...]
    notes: tuple[str, ...] = field(default=())
    brief: bool = False

    @property
    def ok(self) -> bool:
        """Whether every result is right or accepted. An unchecked tensor does not count as right."""
        return bool(self.results) and all_right(self.results)

    @property
    def exit_code(self) -> int:
        """0 if everything is right, 1 if something is wrong, 3 if nothing is wrong but something was not checked."""
        if self.ok:
            return RIGHT
        if has_wrong(self.results):
            return WRONG
        return UNCHECKED

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        verdicts = {RIGHT: "all right", WRONG: "wrong", UNCHECKED: "not all checked"}
        return f"Report({self.name!r}: {verdicts[self.exit_code]}, {len(self.results)} results)"

    def to_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return {
            "name": self.name,
            "ok": self.ok,
            "exit_code": self.exit_code,
            "not_checked": [result.title for result in self.results if not result.checked],
            "results": [result.to_json() for result in self.results],
            "notes": list(self.notes),
        }

    def show(self, console: Console) -> None:
        """Print the table, followed by the diagnoses and notes."""
        console.print(self._table())
        for line in self._lines():
            console.print(line)

    def _table(self) -> Table:
        """Return the table. The columns for names and worst entries are shown only if needed."""
        if self.brief:
            return self._brief_table()
        titles = list(TITLES)
        if len({result.name for result in self.results}) == 1:
            titles.remove("name")
        if not any(result.is_wrong and result.worst for result in self.results):
            titles.remove("worst entry")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in titles:
            table.add_column(title, justify="right" if title == "error" else "left", overflow="fold")
        for result in self.results:
            cells = _console_cells(result)
            table.add_row(*map(cells.__getitem__, titles))
        return table

    def _brief_table(self) -> Table:
        """Return a table with one line per function or class, showing its verdict and its tensors."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("function or class", "verdict", "tensors"):
            table.add_column(title, overflow="fold")
        by_name = dict[str, list[CheckResult]]()
        for result in self.results:
            by_name.setdefault(result.name, []).append(result)
        for name, results in by_name.items():
            decisive = min(results, key=_importance)
            if decisive.is_wrong:
                style = "red"
            elif decisive.ok and not decisive.single:
                style = "green"
            else:
                style = "yellow"
            tensors = escape(", ".join(_tensor_cells(results)))
            table.add_row(escape(name), f"[{style}]{decisive.verdict}[/{style}]", tensors)
        return table

    def _lines(self) -> list[str]:
        """Return the diagnoses and notes, one per line. Indented lines, such as terms, continue the line before."""
        lines = list[str]()
        notes = dict.fromkeys(self.notes)
        has_terms = False
        failures = set[tuple[str, tuple[Diagnosis, ...]]]()  # an error in a call is that of all of its results
        for result in self.results:
            has_inline_notes = self.brief and result.is_wrong and not result.diagnoses
            if not has_inline_notes:
                notes |= dict.fromkeys(result.notes)
            if result.first is not None and result.first.terms:
                has_terms = True
            if result.failed and (result.name, result.diagnoses) in failures:
                continue
            failures.add((result.name, result.diagnoses))
            has_name = self.brief or len({other.name for other in self.results}) > 1
            prefix = f"{result.name}: " if has_name else ""
            for line in _result_lines(result, has_inline_notes):
                lines.append(line if line.startswith(" ") else f"{prefix}{line}")
        if has_terms:
            notes[DY_NOTE] = None
        for note in notes:
            lines.append(f"note: {note}.")
        if lines:
            lines.insert(0, "")
        return list(map(escape, lines))

    def __str__(self) -> str:
        stream = io.StringIO()
        self.show(Console(file=stream, width=PLAIN_WIDTH, color_system=None, highlight=False, force_jupyter=False))
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())

    def _repr_html_(self) -> str:
        """Return the table and the notes as HTML for a notebook."""
        from html import escape as quoted

        from chainrule.plotting import notebook

        table = notebook.table([*TITLES, "diagnosis"], [*map(_html_result, self.results)], f"{self.name}: gradients")
        notes = "".join(f"<p>{quoted(line)}</p>" for line in self.notes)
        return table + notes


def _importance(result: CheckResult) -> int:
    """Return the priority of a result in the choice of a verdict, lowest first: wrong, then limited, then right."""
    if result.is_wrong:
        return 0
    if result.ok:
        return 2
    return 1 if result.verdict != NOT_RETURNED_VERDICT else 3


def _tensor_cells(results: Sequence[CheckResult]) -> Iterable[str]:
    """Return the tensors of a function with their verdicts. If a tensor has several results, a wrong one decides."""
    cells = dict[str, str]()
    for result in results:
        if result.ok:
            cells.setdefault(result.title, result.title)
        elif cells.get(result.title, result.title) == result.title:
            cells[result.title] = f"{result.title} {result.verdict}"
    return cells.values()


def _result_lines(result: CheckResult, has_inline_notes: bool) -> Iterator[str]:
    """Yield the first wrong element of a result, then its diagnoses or, in a brief table without any, its notes."""
    if result.first is not None:
        yield from result.first.lines(result.title)
    if has_inline_notes:
        if result.notes:
            yield "; ".join(result.notes) + "."
        elif result.worst and result.first is None:
            yield f"{result.title} is wrong: {result.worst}."
        else:
            yield f"{result.title} is wrong."
        return
    if len(result.diagnoses) > 1:
        yield f"{result.title}: {len(result.diagnoses)} mistakes explain this result equally well:"
    for number, diagnosis in enumerate(result.diagnoses):
        if number == 0:
            yield f"{result.title} {diagnosis}."
        else:
            yield f"or: {result.title} {diagnosis}."


def _cells(result: CheckResult) -> dict[str, str]:
    """Return a result's cells by column title."""
    error = "–"
    worst = ""
    if result.error is not None:
        error = f"{result.error:.1e}"
    if result.is_wrong and result.worst is not None:
        worst = str(result.worst)
    return {
        "name": result.name,
        "tensor": result.title,
        "method": result.method,
        "error": error,
        "verdict": result.verdict,
        "worst entry": worst,
    }


def _console_cells(result: CheckResult) -> dict[str, str]:
    if result.verdict == SINGLE_ONLY:
        color = "yellow"
    elif result.ok:
        color = "green"
    elif result.checked:
        color = "bold red"
    else:
        color = "bold yellow"
    cells = dict[str, str]()
    for title, cell in _cells(result).items():
        cells[title] = escape(cell)
    return {**cells, "verdict": f"[{color}]{result.verdict}[/{color}]"}


def _html_result(result: CheckResult) -> Sequence[str | None]:
    cells = list[str | None]()
    for cell in _cells(result).values():
        cells.append(None if cell == "–" else cell)
    return [*cells, " Or: ".join(map(str, result.diagnoses))]
