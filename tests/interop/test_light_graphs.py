"""The networks that come with ONNX beside ONNX Runtime, on both engines.

In `make test` one of them; with CHAINRULE_LIGHT=1 all of them, up to 4 GB each. `make light` times them.
"""

import os
from pathlib import Path

import pytest
from interop.light_models import NAMES, image, model_of
from interop.onnx_models import agree

WHOLE = bool(os.environ.get("CHAINRULE_LIGHT"))
QUICK = ("shufflenet",)


@pytest.mark.parametrize("name", NAMES if WHOLE else QUICK)
@pytest.mark.parametrize("engine", [pytest.param("numpy", marks=pytest.mark.thorough), "compiled"])
def test_the_networks_that_come_with_onnx(name: str, engine: str, tmp_path: Path) -> None:
    agree(tmp_path, model_of(name), image(), 1000, engine)
