"""The table of thresholds of Winograd's algorithm: the page has what the engine's rules say."""

from pathlib import Path

import llvmlite.binding as llvm
import pytest

from chainrule.plotting import markdown
from experiments.commands import CHANNELS, OUTLIERS
from experiments.winograd import threshold_rows

PAGE = Path(__file__).parents[2] / "docs" / "compiled-engine.md"


@pytest.mark.skipif(not llvm.get_process_triple().startswith(("x86_64", "i686")), reason="asks for x86 registers")
def test_the_page_has_the_thresholds_of_the_rules() -> None:
    assert markdown.rows(PAGE, CHANNELS) == threshold_rows()[1:]


def test_the_page_has_errors() -> None:
    assert len(markdown.rows(PAGE, OUTLIERS)) == 8
