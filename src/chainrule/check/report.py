"""Reports of checks. Each tensor has a row; reports are shown as a table, as JSON, or in a notebook."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chainrule.check.wrong_numbers import FirstWrong, WorstEntry

PLAIN_WIDTH = 160  # width of a plain-text report, in characters
DY_NOTE = "dy is the upstream gradient, the first argument of backward"
TITLES = ("subject", "tensor", "method", "error", "verdict", "worst entry")
UNWRITTEN = "not-written"  # name of the diagnosis for an unwritten function
PADDING_ZERO = "padding-zero"  # name of the diagnosis for a slice that is empty without padding
DY_OVERWRITTEN, NUMBER_IN_LOGARITHM = "dy-overwritten", "number-in-logarithm"
MASK_SHARED, RESHAPED = "mask-shared-across-batch", "gradient-reshaped"
NOT_RETURNED, LOGARITHM_OF_ZERO, ROUNDED = "not-returned", "logarithm-of-zero", "rounded-constants"
VELOCITY_MEAN, EPSILON_INSIDE, EPSILON_SCALED = "velocity-mean", "epsilon-under-the-root", "epsilon-hat"
ACCEPTED = (  # diagnoses of right results
    *(DY_OVERWRITTEN, NUMBER_IN_LOGARITHM, MASK_SHARED, RESHAPED, NOT_RETURNED, VELOCITY_MEAN, EPSILON_INSIDE),
    *(EPSILON_SCALED, LOGARITHM_OF_ZERO, ROUNDED),
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
    message  the mistake and its correction, as a predicate whose subject is the tensor
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
class Row:
    """The result of checking one tensor of one subject.

    tensor     y for the output, otherwise the tensor whose gradient was checked
    method     source of the expected values
    error      largest error relative to the largest expected element; None if nothing could be compared
    tolerance  largest accepted error
    diagnoses  mistakes that reproduce the result; several if they agree on every test case
    notes      limits of the check, such as kinks and rounding
    first      the first wrong element, with the terms of its sum
    checked    False if the tensor was not checked or there is no verdict; the row is then neither ok nor wrong
    failed     whether the code raised an error, so that there is no result
    single     whether the result is that of single samples, because the code does not take batches
    """

    subject: str
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

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values. ``diagnosis`` contains the diagnoses' short names, or None."""
        names = [diagnosis.name for diagnosis in self.diagnoses]
        content: dict[str, Any] = {
            "subject": self.subject,
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


def has_wrong(rows: Iterable[Row]) -> bool:
    """Return whether any row is wrong."""
    return any(row.is_wrong for row in rows)


def all_right(rows: Iterable[Row]) -> bool:
    """Return whether the numbers of all rows are right. Rows that are not checked are not."""
    return all(row.is_right for row in rows)


@dataclass(frozen=True, repr=False)
class Report:
    """All rows of a check. `str` returns a table. The report is truthy if everything was checked and is right.

    brief   whether the table shows one line per subject, for a file with many functions
    """

    subject: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())
    brief: bool = False

    @property
    def ok(self) -> bool:
        """Whether every row is right or accepted. An unchecked tensor does not count as right."""
        return bool(self.rows) and all_right(self.rows)

    @property
    def exit_code(self) -> int:
        """0 if everything is right, 1 if something is wrong, 3 if nothing is wrong but something was not checked."""
        if self.ok:
            return RIGHT
        if has_wrong(self.rows):
            return WRONG
        return UNCHECKED

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        verdicts = {RIGHT: "all right", WRONG: "wrong", UNCHECKED: "not all checked"}
        return f"Report({self.subject!r}: {verdicts[self.exit_code]}, {len(self.rows)} rows)"

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "exit_code": self.exit_code,
            "not_checked": [row.title for row in self.rows if not row.checked],
            "rows": [row.to_json() for row in self.rows],
            "notes": list(self.notes),
        }

    def show(self, console: Console) -> None:
        """Print the table, followed by the diagnoses and notes."""
        console.print(self._table())
        for line in self._lines():
            console.print(line)

    def _table(self) -> Table:
        """Return the table. The columns for subjects and worst entries are shown only if needed."""
        if self.brief:
            return self._brief_table()
        titles = list(TITLES)
        if len({row.subject for row in self.rows}) == 1:
            titles.remove("subject")
        if not any(row.is_wrong and row.worst for row in self.rows):
            titles.remove("worst entry")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in titles:
            table.add_column(title, justify="right" if title == "error" else "left", overflow="fold")
        for row in self.rows:
            cells = _console_cells(row)
            table.add_row(*map(cells.__getitem__, titles))
        return table

    def _brief_table(self) -> Table:
        """Return a table with one line per subject, showing its verdict and its tensors."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("function or class", "verdict", "tensors"):
            table.add_column(title, overflow="fold")
        by_subject = dict[str, list[Row]]()
        for row in self.rows:
            by_subject.setdefault(row.subject, []).append(row)
        for subject, rows in by_subject.items():
            decisive = min(rows, key=_importance)
            if decisive.is_wrong:
                style = "red"
            elif decisive.ok and not decisive.single:
                style = "green"
            else:
                style = "yellow"
            tensors = escape(", ".join(_tensor_cells(rows)))
            table.add_row(escape(subject), f"[{style}]{decisive.verdict}[/{style}]", tensors)
        return table

    def _lines(self) -> list[str]:
        """Return the diagnoses and notes, one per line. Indented lines, such as terms, continue the line before."""
        lines = list[str]()
        notes = dict.fromkeys(self.notes)
        has_terms = False
        failures = set[tuple[str, tuple[Diagnosis, ...]]]()  # an error in a call is that of all of its results
        for row in self.rows:
            has_inline_notes = self.brief and row.is_wrong and not row.diagnoses
            if not has_inline_notes:
                notes |= dict.fromkeys(row.notes)
            if row.first is not None and row.first.terms:
                has_terms = True
            if row.failed and (row.subject, row.diagnoses) in failures:
                continue
            failures.add((row.subject, row.diagnoses))
            prefix = f"{row.subject}: " if self.brief else ""
            for line in _row_lines(row, has_inline_notes):
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

        table = notebook.table([*TITLES, "diagnosis"], [*map(_html_row, self.rows)], f"{self.subject}: gradients")
        notes = "".join(f"<p>{quoted(line)}</p>" for line in self.notes)
        return table + notes


def _importance(row: Row) -> int:
    """Return the place of a row in the search for the one that decides a verdict: wrong, then limited, then right."""
    if row.is_wrong:
        return 0
    if row.ok:
        return 2
    return 1 if row.verdict != NOT_RETURNED_VERDICT else 3


def _tensor_cells(rows: Sequence[Row]) -> Iterable[str]:
    """Return the tensors of a subject's rows with their verdicts. Of a tensor's rows, one that is not right counts."""
    cells = dict[str, str]()
    for row in rows:
        if row.ok:
            cells.setdefault(row.title, row.title)
        elif cells.get(row.title, row.title) == row.title:
            cells[row.title] = f"{row.title} {row.verdict}"
    return cells.values()


def _row_lines(row: Row, has_inline_notes: bool) -> Iterator[str]:
    """Yield the first wrong element of a row, then its diagnoses or, in a brief table without one, its notes."""
    if row.first is not None:
        yield from row.first.lines(row.title)
    if has_inline_notes:
        if row.notes:
            yield "; ".join(row.notes) + "."
        elif row.worst and row.first is None:
            yield f"{row.title} is wrong: {row.worst}."
        else:
            yield f"{row.title} is wrong."
        return
    if len(row.diagnoses) > 1:
        yield f"{row.title}: {len(row.diagnoses)} mistakes explain this result equally well:"
    for number, diagnosis in enumerate(row.diagnoses):
        if number == 0:
            yield f"{row.title} {diagnosis}."
        else:
            yield f"or: {row.title} {diagnosis}."


def _cells(row: Row) -> dict[str, str]:
    """Return a row's cells by column title."""
    error = "–"
    worst = ""
    if row.error is not None:
        error = f"{row.error:.1e}"
    if row.is_wrong and row.worst is not None:
        worst = str(row.worst)
    return {
        "subject": row.subject,
        "tensor": row.title,
        "method": row.method,
        "error": error,
        "verdict": row.verdict,
        "worst entry": worst,
    }


def _console_cells(row: Row) -> dict[str, str]:
    if row.verdict == SINGLE_ONLY:
        color = "yellow"
    elif row.ok:
        color = "green"
    elif row.checked:
        color = "bold red"
    else:
        color = "bold yellow"
    cells = dict[str, str]()
    for title, cell in _cells(row).items():
        cells[title] = escape(cell)
    return {**cells, "verdict": f"[{color}]{row.verdict}[/{color}]"}


def _html_row(row: Row) -> Sequence[str | None]:
    cells = list[str | None]()
    for cell in _cells(row).values():
        cells.append(None if cell == "–" else cell)
    return [*cells, " Or: ".join(map(str, row.diagnoses))]
