"""Tables in pages: what is written is read back, and the rest of a page stays."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule
from chainrule.plotting import markdown

CELLS = st.text("ab1½ .", min_size=1, max_size=5).map(lambda text: f"x{text}".strip())


@given(rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1)))
def test_rows_are_read_back(rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("pages") / "page.md"
    for before, after in (("", ""), ("# Title\n\n", "\nThe end | of it.\n")):
        page = before + markdown.MARKS[0] + "\n| old |\n" + markdown.MARKS[1] + after
        path.write_text(page, encoding="utf-8")
        for _ in range(2):  # again, in place of what was written
            markdown.insert(path, markdown.table(rows))
            text = path.read_text(encoding="utf-8")
            assert text.startswith(before + markdown.MARKS[0])
            assert text.endswith(markdown.MARKS[1] + after)
            assert "old" not in text
            assert markdown.rows(path) == rows[1:]
    lines = markdown.table(rows).splitlines()
    assert len(lines) == len(rows) + 1
    assert {line.count("|") for line in lines} == {len(rows[0]) + 1}
    assert set(lines[1]) <= set("| -")


def test_pages_without_a_table_are_replaced_or_empty(tmp_path: Path) -> None:
    path, marks = tmp_path / "page.md", ("<!-- a -->", "<!-- b -->")
    assert markdown.rows(path) == []
    path.write_text("nothing here")
    assert markdown.rows(path, marks) == []
    markdown.write(path, [["head"], ["cell | more"]], "compiled", 2, "one more fact", marks)
    text = path.read_text(encoding="utf-8")
    for words in ("compiled engine", "2 threads", "one more fact", chainrule.__version__, f"numpy {np.__version__}"):
        assert words in text
    assert r"cell \| more" in text
    assert text.endswith("\n")
    path.write_text(f"before {marks[0]} old {marks[1]} after")
    markdown.write(path, [["head"], ["cell"]], "numpy", 2, marks=marks)
    text = path.read_text(encoding="utf-8")
    assert "thread" not in text
    assert text.startswith(f"before {marks[0]}")
    assert text.endswith(f"{marks[1]} after")
    assert markdown.rows(path, marks) == [["cell"]]
    markdown.write(path, [["head"], ["cell"]], "compiled", 1, marks=marks)
    assert "1 thread," not in path.read_text(encoding="utf-8")
    assert "1 thread;" in path.read_text(encoding="utf-8")
    assert "\n" not in markdown.machine()
