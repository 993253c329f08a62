"""Images that occur more than once: copies of every kind are found, and different images are not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from chainrule.data import duplicates
from chainrule.data.duplicates import find_duplicates


def photo(seed: int, size: int = 96) -> Image.Image:
    """Draw smooth colored shapes, as in a photograph."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


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
    files = {save(photo(seed), tmp_path / f"{seed}.png"): "all" for seed in range(20)}
    copy, suffix, options = COPIES[kind](photo(3))
    files[save(copy, tmp_path / f"copy.{suffix}", **options)] = "all"
    groups = find_duplicates(tmp_path, files)
    if groups or most == 100 or kind == "same":
        (group,) = groups
        assert group.files == ("3.png", f"copy.{suffix}")
        assert (group.exact, group.parts) == (kind == "same", ("all",))


def test_groups_across_sets_come_first_and_uniform_images_are_no_copies(tmp_path: Path) -> None:
    files = {
        save(photo(1), tmp_path / "train" / "a.png"): "train",
        save(photo(1), tmp_path / "train" / "b.png"): "train",
        save(photo(2), tmp_path / "train" / "c.png"): "train",
        save(photo(2).resize((40, 40)), tmp_path / "test" / "d.png"): "test",
        **{save(Image.new("RGB", (20, 20), (n, n, n)), tmp_path / "train" / f"{n}.png"): "train" for n in (10, 90)},
    }
    damaged = tmp_path / "train" / "damaged.png"
    damaged.write_bytes(b"no image")
    across, within = find_duplicates(tmp_path, {**files, damaged: "train"})
    assert (across.files, across.parts) == (("test/d.png", "train/c.png"), ("test", "train"))
    assert (within.files, within.exact) == (("train/a.png", "train/b.png"), True)
