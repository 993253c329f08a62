"""The width of vector registers is the processor's, or the one set by CHAINRULE_VECTOR."""

import pytest
from engines.processes import python


@pytest.mark.parametrize("wrong", ["64", "1024", "wide", "256.0", " 256", "٢٥٦"])
def test_other_widths_are_refused(wrong: str) -> None:
    done = python("-c", "import chainrule.engines.native.library", CHAINRULE_VECTOR=wrong, code=1)
    assert f"OptionError: CHAINRULE_VECTOR={wrong}: expected 128" in done.stderr
