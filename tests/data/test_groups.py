"""Groups: images of a subject stay on one side of every split, wherever the groups come from."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import tree
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from selection import draws

import chainrule as cr
from chainrule.data import load, split_validation
from chainrule.errors import ChainruleError

SUBJECTS = np.repeat(np.arange(20), 10)
PATTERN = r"p(\d+)"


@settings(max_examples=draws(16))
@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.floats(0.05, 0.9), st.integers(0, 9), st.booleans())
def test_no_group_is_divided(groups: list[int], share: float, seed: int, has_labels: bool) -> None:
    labels = np.arange(len(groups)) % 3 if has_labels else None
    if len({*groups}) == 1:
        with pytest.raises(cr.OptionError, match="single group"):
            split_validation(len(groups), share, seed, labels, groups)
        return
    rest, selected = split_validation(len(groups), share, seed, labels, groups)
    assert sorted([*rest, *selected]) == [*range(len(groups))]
    sides = [{groups[index] for index in part.tolist()} for part in (rest, selected)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == min(max(round(share * len({*groups})), 1), len({*groups}) - 1)


def write(folder: Path, kind: str) -> Path:
    """Write images of 20 subjects; the gray level of an image is the number of its subject."""
    images = [np.full((4, 4), subject, np.uint8) for subject in SUBJECTS]
    if kind == "npz":
        np.savez(folder / "x.npz", x=np.array(images), y=np.arange(200) % 2, groups=SUBJECTS.astype(str))
        return folder / "x.npz"
    rows = ["file,age,group"]
    for number, subject in enumerate(SUBJECTS):
        path = f"p{subject}_{number}.png"
        rows.append(f"{path},{number},s{subject}")
        for place in {"classes": ["ab"[number % 2]], "masks": ["images", "masks"], "table": ["."]}[kind]:
            (folder / place).mkdir(exist_ok=True)
            Image.fromarray(images[number] if place != "masks" else np.eye(4, dtype=np.uint8)).save(
                folder / place / path
            )
    if kind == "table":
        (folder / "targets.csv").write_text("\n".join(rows))
    return folder


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", ["classes", "masks", "table", "npz"])
def test_groups_of_files(kind: str, lazy: bool, tmp_path: Path) -> None:
    options: Any = {"group_pattern": PATTERN} if kind in ("classes", "masks") else {}
    training, test = load(write(tmp_path, kind), **options, lazy=lazy)
    subjects = [{*np.asarray(part.x)[:, 0, 0, 0].tolist()} for part in (training, test, *training.split(0.25, 1))]
    assert (len(subjects[0]), len(subjects[1])) == (16, 4)
    assert not subjects[0] & subjects[1]
    assert not subjects[2] & subjects[3]


@pytest.mark.parametrize("part", ["test", "val"])
@pytest.mark.parametrize("shared", [0, 1, 3])
def test_groups_in_training_and_other_data_are_refused(part: str, shared: int, tmp_path: Path) -> None:
    subjects = {"train": range(6), "test": range(6, 12), "val": range(6, 12), part: range(6 - shared, 12)}
    tree(tmp_path, " ".join(f"{folder}/{'ab'[n % 2]}/p{n}*1" for folder in subjects for n in subjects[folder]))
    with pytest.raises(cr.DataError, match=f"'{6 - shared}'.*in the training data") if shared else nullcontext():
        load(tmp_path, group_pattern=PATTERN)
    assert len(load(tmp_path)[0]) == 6


@pytest.mark.parametrize("pattern", ["(", "patient"], ids=["no expression", "no match"])
def test_patterns_that_are_refused(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(ChainruleError, match="group pattern"):
        load(tree(tmp_path, "a*2 b*2"), group_pattern=pattern)
