"""Cost before the budget: files with costly structures end quickly and in little memory."""

from pathlib import Path
from random import Random

import pytest
from selection import draws

pytest.importorskip("resource", reason="limits of memory are those of Unix")

from fuzz.structures import STRUCTURES

COUNT = draws(4)


@pytest.mark.parametrize("name", STRUCTURES)
def test_files_cost_little_before_their_budget(name: str, tmp_path: Path) -> None:
    if name == "large configuration":
        pytest.importorskip("h5py", reason="h5py is not installed")
    seed = Random().randrange(1 << 32)
    tally = STRUCTURES[name].campaign(COUNT, tmp_path, seed)
    assert [(fault, seed) for fault, _ in tally.faults] == []
    assert tally.inputs == COUNT * len(STRUCTURES[name].readers)
