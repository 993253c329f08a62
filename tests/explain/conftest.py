"""The size of the terminal that explanations are printed on."""

from collections.abc import Callable

import pytest


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Return a function that sets the columns and lines of the screen, 80×24 at first."""

    def resize(columns: int, lines: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))

    resize(80, 24)
    return resize
