"""What reading a file may cost: charges add up, and each unit has its own limit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule._io import budget
from chainrule._io.budget import Budget
from chainrule.errors import FormatError

SIZES = st.integers(0, 1 << 20)
MOST = {"write": budget.BYTES, "visit": budget.STEPS}


@pytest.mark.parametrize("unit", MOST)
@given(size=SIZES, charges=st.lists(st.integers(-5, 1 << 27), max_size=12), others=st.lists(SIZES, max_size=3))
def test_charges_add_up_to_the_limit(unit: str, size: int, charges: list[int], others: list[int]) -> None:
    """What is refused is not charged. Other files that are referred to allow for more arrays, not for more steps."""
    allowance = Budget(size)
    for number, other in enumerate(others):
        for _ in range(2):  # a second reference to the same file allows for nothing
            allowance.extend(f"file {number}", other)
    left = MOST[unit]
    if unit == "write":
        left += budget.BYTES_PER_BYTE * (size + sum(others))
    charge = getattr(allowance, unit)
    for count in charges:
        if count > left:
            with pytest.raises(FormatError) as caught:
                charge(count, "the part")
            assert str(caught.value).startswith("the part")
            for number in (count, left, size + sum(others)):
                assert f"{number:,}" in str(caught.value)
        else:
            charge(count, "the part")
            left -= max(count, 0)
    charge(left, "the rest")
    with pytest.raises(FormatError):
        charge(1, "too much")


@pytest.mark.parametrize("count", [1 << 63, (1 << 64) - 1, 1 << 64, 1 << 20_000], ids=int.bit_length)
def test_numbers_of_any_length_are_refused_in_a_short_line(count: int) -> None:
    allowance = Budget(0)
    with pytest.raises(FormatError) as caught:
        allowance.visit(count, "a shape")
    assert len(str(caught.value)) < 200
    if count < 1 << 64:
        assert f"{count:,}" in str(caught.value)
    with suppress(FormatError):
        allowance.write(count, "a shape")
    allowance.visit(budget.STEPS, "all")
    allowance.write(budget.BYTES, "all")
