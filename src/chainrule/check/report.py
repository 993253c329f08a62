"""Reports of checks: a row for each tensor, shown as a table, as JSON, or in a notebook."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN = 160
RIGHT, WRONG, UNCHECKED = 0, 1, 3  # exit codes; 2 means that the input cannot be used


@dataclass(frozen=True)
class WorstEntry:
    """Entry with the largest error: its index, the value found and the value expected."""

    index: tuple[int, ...]
    found: float
    expected: float

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.index))}] {self.found:.6g}, not {self.expected:.6g}"


@dataclass(frozen=True)
class Diagnosis:
    """A classic mistake that gives exactly the wrong result found.

    name   short, stable identifier
    says   the mistake and its correction, as the predicate of a sentence about the tensor
    page   page of the derivation; empty if there is none
    """

    name: str
    says: str
    page: str = ""

    def __str__(self) -> str:
        return f"{self.says} ({self.page})" if self.page else self.says


@dataclass(frozen=True)
class Row:
    """Result of the check of one tensor of one subject.

    tensor     y for the output, else the tensor whose gradient was checked
    method     source of the expected values
    error      largest error, relative to the largest expected entry; None if nothing could be compared
    tolerance  largest error that passes
    diagnoses  mistakes that explain the result exactly; several if they agree on every probe
    notes      limits of the check, such as kinks and rounding
    checked    False if the tensor was not checked, or no verdict was possible: then it is neither ok nor wrong
    """

    subject: str
    tensor: str
    method: str
    error: float | None
    tolerance: float
    ok: bool
    worst: WorstEntry | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    notes: tuple[str, ...] = ()
    checked: bool = True

    @property
    def title(self) -> str:
        """Name of the checked result: dx for the gradient of x, y for the output."""
        layer, _, own = self.tensor.rpartition(".")
        own = own if own == "y" else f"d{own}"
        return f"{layer}.{own}" if layer else own

    @property
    def is_wrong(self) -> bool:
        """Whether the tensor was checked and is not right."""
        return self.checked and not self.ok

    @property
    def verdict(self) -> str:
        """The verdict in words: right, WRONG or not checked."""
        return "right" if self.ok else "WRONG" if self.checked else "not checked"

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values; ``diagnosis`` holds the short names, or None."""
        worst = self.worst
        return {
            "subject": self.subject,
            "tensor": self.title,
            "method": self.method,
            "error": self.error,
            "tolerance": self.tolerance,
            "ok": self.ok,
            "verdict": self.verdict,
            "diagnosis": ", ".join(one.name for one in self.diagnoses) or None,
            "explanation": " Or: ".join(map(str, self.diagnoses)) or None,
            "worst": None if worst is None else [list(worst.index), worst.found, worst.expected],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, repr=False)
class Report:
    """All rows of a check. `str` gives a table; it is true if everything is right and was checked."""

    subject: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every row is right; an unchecked tensor is not."""
        return all(row.ok for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0 if all is right, 1 if something is wrong, 3 if nothing is wrong but something was not checked."""
        return RIGHT if self.ok else WRONG if any(row.is_wrong for row in self.rows) else UNCHECKED

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        verdicts = {RIGHT: "all right", WRONG: "wrong", UNCHECKED: "not all checked"}
        return f"Report({self.subject!r}: {verdicts[self.exit_code]}, {len(self.rows)} rows)"

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        rows = [row.to_json() for row in self.rows]
        unchecked = [row.title for row in self.rows if not row.checked]
        found = {"subject": self.subject, "ok": self.ok, "exit_code": self.exit_code, "not_checked": unchecked}
        return {**found, "rows": rows, "notes": list(self.notes)}

    def show(self, console: Console) -> None:
        """Print the table, and below it the diagnoses and notes."""
        console.print(self._table())
        for line in self._lines():
            console.print(line)

    def _table(self) -> Table:
        """Return the table; it names subjects if there are several, and worst entries if something is wrong."""
        shown = {
            "subject": len({row.subject for row in self.rows}) > 1,
            "worst entry": any(row.is_wrong and row.worst for row in self.rows),
        }
        table = Table(box=None, pad_edge=False, header_style="bold")
        titles = [title for title in _cells(None) if shown.get(title, True)]
        for title in titles:
            table.add_column(title, justify="right" if title == "error" else "left", overflow="fold")
        for row in self.rows:
            cells = _cells(row)
            table.add_row(*(cells[title] for title in titles))
        return table

    def _lines(self) -> list[str]:
        """Return diagnoses and notes, one per line."""
        lines: list[str] = []
        for row in self.rows:
            lines += [f"{'or: ' if place else ''}{row.title} {one}." for place, one in enumerate(row.diagnoses)]
        seen = dict.fromkeys([*self.notes, *(note for row in self.rows for note in row.notes)])
        lines += [f"note: {note}." for note in seen]
        return [escape(line) for line in ([""] if lines else []) + lines]

    def __str__(self) -> str:
        stream = io.StringIO()
        self.show(Console(file=stream, width=PLAIN, color_system=None, highlight=False))
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())

    def _repr_html_(self) -> str:
        """Return the table and the notes as HTML, for a notebook."""
        from html import escape as quoted

        from chainrule.figures import notebook

        heads = ["subject", "tensor", "method", "error", "verdict", "worst entry", "diagnosis"]
        table = notebook.table(heads, [_html_row(row) for row in self.rows], f"{self.subject}: gradients")
        notes = "".join(f"<p>{quoted(line)}</p>" for line in self.notes)
        return table + notes


def _cells(row: Row | None) -> dict[str, str]:
    """Return the cells of a row in the console by column title; empty cells for None."""
    if row is None:
        return dict.fromkeys(("subject", "tensor", "method", "error", "verdict", "worst entry"), "")
    return {
        "subject": escape(row.subject),
        "tensor": escape(row.title),
        "method": escape(row.method),
        "error": "–" if row.error is None else f"{row.error:.1e}",
        "verdict": f"[{_colour(row)}]{row.verdict}[/{_colour(row)}]",
        "worst entry": "" if not row.is_wrong or row.worst is None else escape(str(row.worst)),
    }


def _colour(row: Row) -> str:
    return "green" if row.ok else "bold red" if row.checked else "bold yellow"


def _html_row(row: Row) -> Sequence[str | None]:
    error = None if row.error is None else f"{row.error:.1e}"
    worst = "" if not row.is_wrong or row.worst is None else str(row.worst)
    return [row.subject, row.title, row.method, error, row.verdict, worst, " Or: ".join(map(str, row.diagnoses))]
