"""What goes wrong on a page unseen: errors of its scripts, and what it says in the console."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Error, Page


@contextmanager
def watched(page: "Page") -> Iterator["Page"]:
    """The page; at the end, nothing may have gone wrong on it."""
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
    assert not wrong
