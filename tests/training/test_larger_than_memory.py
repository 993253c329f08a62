"""Data that are read during training: the bits of the same data in memory, or one clear error."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from runs.run_driver import Halt
from training.made import classifier, stripes

import chainrule as cr
from chainrule.data.sources import MappedArray, SampleSource
from chainrule.errors import ChainruleError, DataError

X, Y = stripes(90)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the samples as PGM files, which lose nothing, in one folder per class."""
    for number, (pixels, label) in enumerate(zip(X, Y, strict=True)):
        (tmp_path / "images" / f"class{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0]).save(tmp_path / "images" / f"class{label}" / f"{number:03}.pgm")
    return tmp_path / "images"


def trained(*data: Any, **options: Any) -> np.ndarray:
    model = classifier()
    model.fit(*data, **{"epochs": 3, "progress": False, "batch_size": 16, "seed": 0, **options})
    return model.parameters


@pytest.mark.parametrize("options", [
    {}, {"validation_split": 0.3, "patience": 2}, {"augmentation": "shift=1,flip,cutout=2"},
    {"normalization": "standardize", "class_weight": {"class1": 3.0}},
])  # fmt: skip
def test_a_folder_trains_as_in_memory(folder: Path, options: dict[str, Any], tmp_path: Path) -> None:
    """The run on files that are read when they are needed is resumed."""
    loaded, test = cr.data.load(folder, test_share=0.1)
    lazy, lazy_test = cr.data.load(folder, test_share=0.1, lazy=True)
    assert isinstance(lazy.x, SampleSource)
    assert_array_equal(np.asarray(lazy.x), loaded.x)
    for halt in ([Halt(4)], []):
        run = cr.Run(tmp_path / "run", resume=True, plots=False)
        parameters = trained(lazy, run=run, callbacks=halt, **options)
    assert_array_equal(parameters, trained(loaded, **options))
    with pytest.raises(DataError):
        trained(loaded.take(60), **options, run=run)
    model = classifier()
    assert_array_equal(model.predict(lazy_test), model.predict(test))
    assert model.evaluate(lazy_test).loss == model.evaluate(test).loss


def test_the_validation_part_of_a_data_set_is_used_unless_another_is_an_argument() -> None:
    parts = [cr.Dataset(X[rows], Y[rows], tuple("abc")) for rows in (slice(50), slice(50, 80), slice(80, 90))]
    whole = replace(parts[0], validation=parts[1])
    for arguments, held_out in (({}, parts[1]), ({"validation_data": parts[2]}, parts[2])):
        model, twin = classifier(), classifier()
        history = model.fit(whole, patience=2, progress=False, **arguments)
        expected = twin.fit(parts[0], patience=2, validation_data=held_out, progress=False)
        assert history["validation_loss"] == expected["validation_loss"]
        assert_array_equal(model.parameters, twin.parameters)


def replaced(path: Path) -> None:
    """Write another image of the same size in bytes and with the same times."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], Any]] = {
    "vanished": Path.unlink, "replaced": replaced, "cut": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_during_training_is_named(folder: Path, change: str) -> None:
    data, _ = cr.data.load(folder, lazy=True, test_share=0.1)
    assert isinstance(data.x, SampleSource)
    file = Path(data.x.name(0))
    with pytest.raises(ChainruleError, match=re.escape(f"{file.parent.name}/{file.name}")):
        trained(data, epochs=4, callbacks=lambda *_: CHANGES[change](file))


@pytest.mark.parametrize("lazy", [False, True])
def test_a_run_is_resumed_on_files_of_the_same_contents_alone(folder: Path, tmp_path: Path, lazy: bool) -> None:
    """Another time of a file does not matter."""

    def resumed(**options: Any) -> np.ndarray:
        run = cr.Run(tmp_path / "run", resume=True, plots=False)
        return trained(cr.data.load(folder, lazy=lazy)[0], run=run, **options)

    file = next(folder.glob("*/*.pgm"))
    resumed(callbacks=Halt(5))
    file.touch()
    assert_array_equal(resumed(), trained(cr.data.load(folder, lazy=lazy)[0]))
    replaced(file)
    with pytest.raises(DataError, match="not those this run was started with"):
        resumed()


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_memory_map_keeps_private_changes(mode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.data.sources.MAX_RESIDENT_BYTES", 1)
    np.save(tmp_path / "x.npy", X)
    mapped, expected = np.load(tmp_path / "x.npy", mmap_mode=mode), X.copy()
    if mode == "c":
        mapped[5], expected[5] = 7, 7
    source = MappedArray(mapped, mapped)
    for _ in range(2):  # the pages are released after the first
        assert_array_equal(source[:], expected)
    assert_array_equal(source.subset(np.array([5, 2]))[[1, -2]], expected[[2, 5]])


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_few_pages_of_a_mapped_file_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, sample, page = 1 << 20, 1 << 16, 1 << 21  # bytes; the kernel may map the cached file in large pages
    monkeypatch.setattr("chainrule.data.sources.MAX_RESIDENT_BYTES", limit)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((300, sample // 8)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    source, resident = MappedArray(mapped, mapped), list[int]()
    for first in range(0, 300, 4):
        assert source[first : first + 4].sum() > 0
        places = Path("/proc/self/smaps").read_text().partition(f"{tmp_path}/x.npy")[2]
        resident.append(1024 * int(re.findall(r"^Rss: +(\d+)", places, re.M)[0]))
    assert limit / 2 < max(resident) <= limit + 2 * page < mapped.nbytes / 3


def test_a_truncated_memory_map_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.tile(X, (100, 1, 1, 1)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.raises(DataError, match="truncated"):
        trained(mapped, np.tile(Y, 100), batch_size=100, callbacks=lambda *_: os.truncate(tmp_path / "x.npy", 4096))
