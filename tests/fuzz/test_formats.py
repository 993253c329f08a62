"""Damaged inputs of every format: one-line errors of ours, quickly; `make fuzz` tries twenty thousand."""

from pathlib import Path

import pytest
from selection import draws

pytest.importorskip("resource", reason="limits of memory are those of Unix")

from fuzz.campaign import campaign
from fuzz.formats import FORMATS
from fuzz.judge import little_memory

COUNT = draws(40)


@pytest.mark.parametrize("name", FORMATS)
def test_inputs_are_refused_or_read(name: str, tmp_path: Path) -> None:
    with little_memory():
        tally = campaign(FORMATS[name], COUNT, tmp_path)
    assert [fault for fault, _ in tally.faults] == []
    assert tally.inputs >= COUNT
    assert tally.refused > tally.inputs / 4  # they are damaged
    assert tally.refused < tally.inputs or COUNT < 100  # but not beyond recognition, of many
