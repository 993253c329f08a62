"""Every line of the compiled kernels runs for some arguments, also in special cases, and gives the right results."""

import pytest
from engines.processes import python

PACKED = (  # lines that read weights packed earlier
    "new_weights: panels = rows.values[rows.start :]",
    "_add_sums_by: strip, tap_step, step = channels, channels * tile_width, tile_width",
)


@pytest.mark.filterwarnings("ignore")
def test_every_line_of_the_kernels_runs_and_is_right() -> None:
    done = python("-m", "engines.special_cases", CHAINRULE_UNCOMPILED=1)
    assert sorted(done.stdout.splitlines()) == sorted(PACKED)
