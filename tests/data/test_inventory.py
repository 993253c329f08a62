"""Inventories of folders count all files; hashes recognize samples, whatever their dtype and order."""

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from chainrule.data import sample_hashes
from chainrule.data.inventory import Inventory, LeftOut

SEEDS = st.integers(0, 2**31)

LEFT = st.lists(
    st.builds(LeftOut, st.sampled_from(["a.png", "b/c.png", "d"]), st.sampled_from(["damaged", "no image"]),
              st.sampled_from([None, "why"]), st.sampled_from([None, "how"])), max_size=9,
)  # fmt: skip
USED = st.dictionaries(st.sampled_from(["train", "test"]), st.dictionaries(st.sampled_from("ab"), st.integers(0, 9)))


@given(
    used=USED, left=LEFT, changed=st.none() | st.dictionaries(st.sampled_from(["gray", "turned"]), st.integers(1, 3))
)
def test_an_inventory_counts_all_files(used: Any, left: list[LeftOut], changed: Any) -> None:
    inventory = Inventory("folder", used, tuple(left), changed, ("a note",))
    assert inventory.images == sum(count for classes in used.values() for count in classes.values())
    counts = Counter(entry.reason for entry in left)
    assert inventory.reasons == counts
    assert [*inventory.reasons.values()] == sorted(counts.values(), reverse=True)
    lines = inventory.lines()
    assert lines[0] == "a note"
    assert len(lines) == 1 + len(counts) + len(changed or {})
    for reason, count in counts.items():
        (line,) = (line for line in lines if f"({reason})" in line)
        paths = [entry.path for entry in left if entry.reason == reason]
        assert line.startswith(f"left out {count} ")
        assert ", ".join(paths[:3]) in line
        assert (f"{count - 3} more" in line) == (count > 3)
        first = next(entry for entry in left if entry.reason == reason)
        assert line.endswith("; how") == (first.remedy is not None)
    for conversion, count in (changed or {}).items():
        assert f"{count} image{'s' * (count > 1)}: {conversion}" in lines
    content = inventory.to_json()
    assert content["files_left_out"] == [vars(entry) for entry in left]
    assert "files_left_out" not in inventory.to_json(listed=False)
    assert (content["images"], content["left_out"], content["notes"]) == (inventory.images, counts, ["a note"])
    assert (content["used"], content["changed"]) == (used, changed or {})
    assert str(inventory).splitlines()[1:] == lines
    assert str(inventory.images) in repr(inventory)
    assert f"{len(left)} files" in repr(inventory)
    for entry in left:
        assert str(entry).split("; ") == [f"{entry.path}: {entry.reason}", *filter(None, (entry.detail, entry.remedy))]


@given(seed=SEEDS, size=st.integers(1, 9), shared=st.integers(0, 20))
def test_samples_of_the_training_are_recognized(seed: int, size: int, shared: int) -> None:
    """A hash depends on values, not on dtype and order; every repeated sample is counted."""
    draw = np.random.default_rng(seed)
    trained, others = draw.normal(size=(2, 40, 2, size))
    trained[:20] = draw.integers(0, 256, (20, 2, size))
    known = sample_hashes.kept((), trained)
    assert known == sample_hashes.kept((), trained[::-1]) == sample_hashes.kept(known, trained[3:7])
    assert len(known) == len({row.astype(np.float32).tobytes() for row in trained})
    x = np.concatenate([trained[:shared], others])
    text = sample_hashes.overlap(known, x)
    repeated = sum(any(np.array_equal(row, other) for other in trained) for row in x)
    assert bool(text) == (repeated > 0)
    if text:
        assert f"on {repeated} of these {len(x)} samples" in text
    assert not sample_hashes.overlap((), x)
    whole = trained[:20].astype(np.uint8)
    assert_array_equal(sample_hashes.hashes_of(whole), sample_hashes.hashes_of(whole.astype(np.float64)))
    for dtype in (np.float32, np.int16):
        assert_array_equal(sample_hashes.hashes_of(whole.astype(dtype)), sample_hashes.hashes_of(whole))


def test_of_many_samples_a_part_is_known() -> None:
    draw = np.random.default_rng(0)
    trained, others = draw.integers(0, 256, (2, 3000, 6)).astype(np.uint8)
    known = sample_hashes.kept((), trained)
    assert len(known) == sample_hashes.KEPT
    assert [*known] == sorted(known)
    text = sample_hashes.overlap(known, np.concatenate([trained[:1500], others[:1500]]))
    assert text
    assert "about" in text
    count = int(text.split("about ")[1].split(" ")[0].replace(",", ""))
    assert 1200 < count < 1800
    assert not sample_hashes.overlap(known, others)
