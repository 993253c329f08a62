"""Pages in tests: how long they may take, unreported errors (exceptions, console messages), and what they need."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Error, Page


PATIENCE = 120_000  # milliseconds: a busy machine may take many seconds to open a page


@contextmanager
def watched(page: "Page") -> Iterator["Page"]:
    """Yield the page, patient with a busy machine; at the end, fail if an error was unreported."""
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []

    def threw(error: "Error") -> None:
        wrong.append(str(error))

    def said(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    page.on("pageerror", threw)
    page.on("console", said)
    yield page
    page.remove_listener("pageerror", threw)
    page.remove_listener("console", said)
    assert not wrong, wrong


def absent(reason: str) -> NoReturn:
    """Skip a test of the page where what it needs is absent, or, with CHAINRULE_BROWSER=required, fail."""
    if os.environ.get("CHAINRULE_BROWSER") == "required":
        pytest.fail(f"{reason}, and CHAINRULE_BROWSER=required")
    pytest.skip(f"{reason}: the tests of the page need it")
