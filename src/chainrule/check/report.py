"""What a check found: a row for each tensor, as a table, as JSON, and in a notebook."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN = 160
RIGHT, WRONG, UNCHECKED = 0, 1, 3  # exit codes; 2 is that of what cannot be used


@dataclass(frozen=True)
class Worst:
    """The entry with the largest error: what was found there and what belongs there."""

    index: tuple[int, ...]
    found: float
    expected: float

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.index))}] {self.found:.6g}, not {self.expected:.6g}"


@dataclass(frozen=True)
class Diagnosis:
    """A classic mistake that a wrong result is exactly the result of.

    name   short and stable
    says   what was done, and what is to be done instead
    page   where the right way is derived; empty when nowhere
    """

    name: str
    says: str
    page: str = ""

    def __str__(self) -> str:
        return f"{self.says} ({self.page})" if self.page else self.says


@dataclass(frozen=True)
class Row:
    """One tensor of one subject.

    tensor     y for the output, otherwise the tensor whose gradient was looked at
    checked    False: nobody looked at it, or numbers could not tell; then it is not ok, and not wrong either
    method     how the expected numbers were found
    error      the largest, relative to the largest entry that was expected; None when there is nothing to compare
    tolerance  what it may be
    diagnoses  the mistakes that fit exactly; several where they are the same on every probe
    notes      what was stepped round or allowed for
    """

    subject: str
    tensor: str
    method: str
    error: float | None
    tolerance: float
    ok: bool
    worst: Worst | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    notes: tuple[str, ...] = ()
    checked: bool = True

    @property
    def title(self) -> str:
        """dx for the gradient of x; y for the output."""
        layer, _, own = self.tensor.rpartition(".")
        own = own if own == "y" else f"d{own}"
        return f"{layer}.{own}" if layer else own

    @property
    def wrong(self) -> bool:
        """Return whether the tensor was looked at and is not right."""
        return self.checked and not self.ok

    @property
    def verdict(self) -> str:
        """right, WRONG or not checked."""
        return "right" if self.ok else "WRONG" if self.checked else "not checked"

    def to_json(self) -> dict[str, Any]:
        """The row as plain values; ``diagnosis`` holds the short names, or None."""
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
    """All rows of a check. `str` gives the table; it is true when all is right and nothing was left unchecked."""

    subject: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Return whether every row is right: a tensor that was not checked is not."""
        return all(row.ok for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0 all is right, 1 something is wrong, 3 nothing is wrong but something was not checked."""
        return RIGHT if self.ok else WRONG if any(row.wrong for row in self.rows) else UNCHECKED

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        verdicts = {RIGHT: "all right", WRONG: "wrong", UNCHECKED: "not all checked"}
        return f"Report({self.subject!r}: {verdicts[self.exit_code]}, {len(self.rows)} rows)"

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        rows = [row.to_json() for row in self.rows]
        unchecked = [row.title for row in self.rows if not row.checked]
        found = {"subject": self.subject, "ok": self.ok, "exit_code": self.exit_code, "not_checked": unchecked}
        return {**found, "rows": rows, "notes": list(self.notes)}

    def show(self, console: Console) -> None:
        """Print the table, and under it what the wrong rows are told and what was stepped round."""
        console.print(self._table())
        for line in self._lines():
            console.print(line)

    def _table(self) -> Table:
        """Subjects are named where there are several, worst entries where something is wrong."""
        shown = {
            "subject": len({row.subject for row in self.rows}) > 1,
            "worst entry": any(row.wrong and row.worst for row in self.rows),
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
        """Diagnoses and notes, a line each."""
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
        """The table, in a notebook."""
        from html import escape as quoted

        from chainrule.pictures import notebook

        heads = ["subject", "tensor", "method", "error", "verdict", "worst entry", "diagnosis"]
        table = notebook.table(heads, [_html_row(row) for row in self.rows], f"{self.subject}: gradients")
        notes = "".join(f"<p>{quoted(line)}</p>" for line in self.notes)
        return table + notes


def _cells(row: Row | None) -> dict[str, str]:
    """The cells of a row in the console, by the title of their column."""
    if row is None:
        return dict.fromkeys(("subject", "tensor", "method", "error", "verdict", "worst entry"), "")
    return {
        "subject": escape(row.subject),
        "tensor": escape(row.title),
        "method": escape(row.method),
        "error": "–" if row.error is None else f"{row.error:.1e}",
        "verdict": f"[{_colour(row)}]{row.verdict}[/{_colour(row)}]",
        "worst entry": "" if not row.wrong or row.worst is None else escape(str(row.worst)),
    }


def _colour(row: Row) -> str:
    return "green" if row.ok else "bold red" if row.checked else "bold yellow"


def _html_row(row: Row) -> Sequence[str | None]:
    error = None if row.error is None else f"{row.error:.1e}"
    worst = "" if not row.wrong or row.worst is None else str(row.worst)
    return [row.subject, row.title, row.method, error, row.verdict, worst, " Or: ".join(map(str, row.diagnoses))]
