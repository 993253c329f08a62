"""Images that occur more than once: copies of every kind are found, and different images are not."""

from pathlib import Path

import numpy as np
import pytest
from data.trees import save
from PIL import Image, ImageEnhance

from chainrule.data import duplicates
from chainrule.data.duplicates import find_duplicates


def photo(seed: int, size: int = 96) -> Image.Image:
    """Draw smooth colored shapes, as in a photograph."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


COPIES = {
    "same": lambda image: (image, "png", {}),
    "jpeg": lambda image: (image, "jpg", {"quality": 40}),
    "resized": lambda image: (image.resize((57, 57), Image.Resampling.BILINEAR), "png", {}),
    "brighter": lambda image: (ImageEnhance.Brightness(image.point(lambda level: level * 0.6)).enhance(1.3), "png", {}),
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("most", [4, 100])
def test_copies_are_found_and_other_images_are_not(
    kind: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many images are compared by signs first."""
    monkeypatch.setattr(duplicates, "MAX_COMPARED", most)
    monkeypatch.setattr(duplicates, "BLOCK", 2)
    files = {save(tmp_path / f"{seed}.png", photo(seed)): "all" for seed in range(20)}
    copy, suffix, options = COPIES[kind](photo(3))
    files[save(tmp_path / f"copy.{suffix}", copy, **options)] = "all"
    groups = find_duplicates(tmp_path, files)
    if groups or most == 100 or kind == "same":
        (group,) = groups
        assert group.files == ("3.png", f"copy.{suffix}")
        assert (group.exact, group.parts) == (kind == "same", ("all",))


def test_groups_across_sets_come_first_and_uniform_images_are_no_copies(tmp_path: Path) -> None:
    files = {
        save(tmp_path / "train" / "a.png", photo(1)): "train",
        save(tmp_path / "train" / "b.png", photo(1)): "train",
        save(tmp_path / "train" / "c.png", photo(2)): "train",
        save(tmp_path / "test" / "d.png", photo(2).resize((40, 40))): "test",
        **{save(tmp_path / "train" / f"{n}.png", Image.new("RGB", (20, 20), (n, n, n))): "train" for n in (10, 90)},
    }
    damaged = tmp_path / "train" / "damaged.png"
    damaged.write_bytes(b"no image")
    across, within = find_duplicates(tmp_path, {**files, damaged: "train"})
    assert (across.files, across.parts) == (("test/d.png", "train/c.png"), ("test", "train"))
    assert (within.files, within.exact) == (("train/a.png", "train/b.png"), True)


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_the_files_of_a_group_are_named_or_counted(count: int) -> None:
    files = tuple(f"image {number}.png" for number in range(count))
    description = str(duplicates.Duplicates(files, ("train",), exact=True))
    named = [file for file in files if file in description]
    assert named == [*files[:3]]
    assert (f"{count - 3} more" in description) == (count > 3)
