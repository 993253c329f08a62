"""How much a report gives away: from verdicts alone to the mistake and its correction."""

from dataclasses import replace

from chainrule.check.report import UNWRITTEN, FirstWrong, Report, Row

VERDICTS, NUMBERS, TERMS, ALL = range(4)
LEVELS = (
    "verdicts alone",
    "the first wrong number of each result, and its cell",
    "the terms of its sum, expected and found, and the page of the derivation",
    "the mistake, and how to correct it",
)
KEPT = (UNWRITTEN, "not-checked", "fails", "not-finite")  # no hints: they say that something is missing or fails


def limited(report: Report, level: int) -> Report:
    """Return a report that gives away no more than a level of hints."""
    return replace(report, rows=tuple(_limited(row, level) for row in report.rows))


def _limited(row: Row, level: int) -> Row:
    if level >= ALL or row.ok:
        return row
    kept = tuple(one for one in row.diagnoses if one.name in KEPT)
    if level == VERDICTS:
        return replace(row, error=None, diagnoses=kept, notes=(), worst=None, first=None)
    first, notes = row.first, row.notes
    if first is not None and level < TERMS:
        first = FirstWrong(first.index, first.found, first.expected)
    elif level >= TERMS and (first is None or not first.page):
        pages = dict.fromkeys(one.page for one in row.diagnoses if one.page)
        notes = (*notes, *(f"{row.title} is derived in {page}" for page in pages))
    return replace(row, diagnoses=kept, first=first, notes=notes)
