"""Cost before the budget: files with costly structures end quickly and in little memory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
from selection import draws

pytest.importorskip("resource", reason="limits of memory are those of Unix")

from fuzz.judge import judge, little_memory
from fuzz.structures import DRAWS, open_run

from chainrule.check import points
from chainrule.data import npz
from chainrule.data.images import open_image
from chainrule.interop.importing import read_weights
from chainrule.zoo import network_files

COUNT = draws(4)
TABLES = ".toml", (lambda path: network_files.find(str(path)), lambda path: points.read(path, ["a"]))
IMAGES = ".png", (open_image,)
READERS: dict[str, tuple[str, tuple[Callable[[Path], object], ...]]] = {
    **dict.fromkeys(("dotted_keys", "nested_values"), TABLES),
    **dict.fromkeys(("repeated_chunks", "repeated_scans", "overlapping_tags", "blocks_of_a_gif"), IMAGES),
    **dict.fromkeys(("text_pixels", "large_white"), IMAGES),
    "many_members": (".npz", (npz.read_archive, read_weights)),
    "sparse_run": (".json", (open_run,)),
    "large_configuration": (".h5", (read_weights,)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_files_cost_little_before_their_budget(name: str, tmp_path: Path) -> None:
    if name == "large_configuration":
        pytest.importorskip("h5py", reason="h5py is not installed")
    suffix, readers = READERS[name]
    path, random = tmp_path / f"file{suffix}", Random()
    with little_memory():
        for _ in range(COUNT):
            path.write_bytes(DRAWS[name](random))
            for read in readers:
                verdict = judge(partial(read, path))
                assert verdict.fault is None, (name, path.stat().st_size)
