"""Inventories of folders count all files; hashes recognize samples, whatever their dtype and order."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
