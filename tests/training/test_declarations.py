"""The table of what options change."""

from pathlib import Path

from chainrule.training import declarations

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_table_of_the_documentation_is_that_of_the_declarations() -> None:
    assert declarations.table() in DOCUMENT.read_text(encoding="utf-8")
