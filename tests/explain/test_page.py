"""docs/explaining.md shows the actual output, line numbers of the code included (`make experiments` writes it)."""

from collections.abc import Callable

import pytest

from chainrule.data import load
from chainrule.errors import DataError
from experiments import transcripts


def between(name: str) -> str:
    """Return what stands between the marks of a transcript."""
    begin, end = transcripts.MARKS[name]
    return transcripts.PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip()


@pytest.mark.parametrize("transcript", [transcripts.example, transcripts.terminal])
def test_a_transcript_is_what_is_printed(transcript: Callable[[], str]) -> None:
    if transcript is transcripts.terminal:
        try:
            load("mnist", progress=False)
        except DataError as error:
            pytest.skip(f"MNIST is out of reach: {error}")
    assert transcript() == between(transcript.__name__)
