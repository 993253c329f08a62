"""Data sets in a user's folder: known ones, other IDX files, and wrong names."""

from pathlib import Path

import numpy as np
import pytest

from chainrule.data import load
from chainrule.data.loading import load_known
from chainrule.errors import AmbiguousNameWarning, DataError


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inner", ["", "mini"])
def test_a_folder_is_used_where_it_lies(
    mini, tmp_path: Path, packed: bool, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of the data, by the environment, or as a path of any IDX files."""
    folder = mini.write(tmp_path / "mine" / inner, packed=packed)
    sets = load_known(mini.info, folder=tmp_path / "mine", offline=True)
    mini.check(sets)
    assert sets[0].source == str(tmp_path / "mine")
    assert not mini.info.path.exists()
    train, test = load(folder)
    np.testing.assert_array_equal(train.x[:, 0], mini.arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(test.y, mini.arrays["t10k-labels-idx1-ubyte"])
    assert (train.classes, train.name) == (("0", "1", "2"), folder.name)
    for path in [*folder.iterdir()]:
        path.rename(folder / path.name.replace("-idx", ".idx"))
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "mine"))
    mini.check(load_known(mini.info, offline=True))
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "absent"))
    mini.check(load_known(mini.info, folder=tmp_path / "mine", offline=True))
    with pytest.raises(DataError, match="absent: no such folder; expected a folder with mini"):
        load_known(mini.info, offline=True)
    with pytest.raises(DataError, match=f"offline: folder {tmp_path}: no train-images-idx3-ubyte; the cache "):
        load_known(mini.info, folder=tmp_path, offline=True)


def test_idx_folders_that_lack_a_file(mini, tmp_path: Path) -> None:
    folder = mini.write(tmp_path)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    for load_folder in (load, lambda path: load_known(mini.info, folder=path, offline=True)):
        with pytest.raises(DataError, match="expected images and labels for training and test, found only "):
            load_folder(folder)


def test_a_built_in_name_takes_precedence_over_a_folder(mini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mini.write(tmp_path / "shapes")
    with pytest.warns(AmbiguousNameWarning, match=r"\./shapes"):
        built_in, _ = load("shapes")
    assert built_in.classes[0] == "background"
    for path in ("./shapes", Path("shapes"), tmp_path / "shapes"):
        assert load(path)[0].classes == ("0", "1", "2")


def test_neither_a_name_nor_a_path() -> None:
    with pytest.raises(DataError, match="'mnits'; known data sets: mnist, fashion-mnist, cifar10"):
        load("mnits")
