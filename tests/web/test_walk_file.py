"""A teacher's walk: read from Markdown, and played on the network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from web import train_served
from web.pages import Page, watched

from chainrule.errors import FormatError
from chainrule.web import single_file
from chainrule.web.session import Session
from chainrule.web.single_file import read_walk

LAYERS = ["conv1", "dense1"]


def written(folder: Path, text: str) -> Path:
    """Write a walk."""
    path = folder / "walk.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_drawn_walk_is_read_as_it_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        stops: list[dict[str, object]] = []
        lines = ["# The title of all", ""]
        for number in range(random.integers(1, 6)):
            words = [f"paragraph {each} of {number}, with `code` and *stars*" for each in range(random.integers(0, 4))]
            cell = random.choice(["", "loss.y", "conv1.dw[0,0,1,1]", "dense1.w.update[3,2]"])
            sample, step = (int(random.integers(99)) if cell and random.random() < 0.5 else None for _ in range(2))
            given = [f"{name}={value}" for name, value in (("sample", sample), ("step", step)) if value is not None]
            address = [f"`{cell}{'?' if given else ''}{'&'.join(given)}`"] if cell else []
            blocks = [text.replace(" of ", " of\n") for text in words]
            blocks.insert(int(random.integers(len(blocks) + 1)), *address) if address else None
            lines += [f"## Stop {number}", *(part for block in blocks for part in (*block.split("\n"), ""))]
            stops.append(
                {"title": f"Stop {number}", "words": words, "cell": cell or None, "sample": sample, "step": step}
            )
        assert read_walk(written(tmp_path, "\n".join(lines)), LAYERS) == stops


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 stops"),
        ("text before any stop", "walk.md:1: expected a stop"),
        ("## a\n`conv7.y[0,1,2]`", "walk.md:2: the network has no layer 'conv7'"),
        ("## a\n\n`loss.y`\n`loss.y`", "walk.md:4: "),
        ("## a\n" * 101, "101 stops"),
    ],
)
def test_the_line_of_an_error_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words.replace("(", r"\(")):
        read_walk(written(tmp_path, text), LAYERS)


def test_a_walk_plays_on_the_network(page: Page, tmp_path: Path) -> None:
    walk = written(
        tmp_path, "## One\nFirst text.\n\n`loss.y?sample=2`\n## Two\n`conv1.dw[0,0,1,1]`\n## Three\nThe end."
    )
    subject = train_served.subject()
    session = Session(replace(subject, walk=tuple(read_walk(walk, list(subject.model.names)))))
    try:
        session.loaded.wait()
        path = tmp_path / "page.html"
        path.write_bytes(single_file.file_bytes(session))
    finally:
        session.close()
    with watched(page):
        page.goto(path.as_uri())
        page.wait_for_selector('.computation-name:text-is("loss.y")')
        assert page.locator(".story-body p").all_inner_texts()[-1] == "First text."
        page.wait_for_function("location.hash.includes('sample=2')")
        page.keyboard.press("PageDown")
        page.wait_for_selector('.computation-name:text-is("conv1.dw[0,0,1,1]")')
        page.keyboard.press("ArrowRight")
        assert page.inner_text(".computation-where-now").startswith("1 of ")
        page.keyboard.press("PageDown")
        page.wait_for_selector('.story-body h2:text-is("Three")')
        assert page.locator(".computation-panel").count() == 0
