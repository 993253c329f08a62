"""The networks that come with ONNX beside ONNX Runtime, on both engines: `make light` for all of them.

Only three of them in `make test`: the others take a minute and up to 4 GB.
"""

import os
from pathlib import Path

import pytest
from formats.light_models import NAMES, image, model_of
from formats.onnx_models import agree

QUICK = ("squeezenet", "shufflenet", "inception_v1")


@pytest.mark.parametrize("name", NAMES if os.environ.get("CHAINRULE_LIGHT") else QUICK)
def test_the_networks_that_come_with_onnx(name: str, tmp_path: Path) -> None:
    content = model_of(name)
    for engine in ("numpy", "numba"):
        agree(tmp_path, content, image(), 1e-4, engine)
