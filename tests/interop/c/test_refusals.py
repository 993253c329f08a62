"""What cannot be exported to C is refused by name, and nothing is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.made import Doubled

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.interop.c import Quantized, write_c
from chainrule.interop.c.wasm import write_wasm
from chainrule.models.model import Model


def row(*layers: Any) -> Model:
    return cr.Sequential((*layers, cr.Flatten(), cr.Dense(3), cr.Softmax()), (2, 3, 3), engine="numpy")


REFUSED: list[tuple[str, Any, dict[str, Any]]] = [
    ("'student1' is", lambda: row(Doubled()), {}),
    *((name, row, {"name": name}) for name in ("my network", "Network", "example", "math", "stdint", "all")),
]


@pytest.mark.parametrize(("text", "make", "options"), REFUSED, ids=[text for text, *_ in REFUSED])
def test_exports_that_are_refused(text: str, make: Any, options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=text):
        write_c(make(), tmp_path / "c", **options)
    assert not (tmp_path / "c").exists()


def test_operations_without_an_integer_form_and_other_suffixes(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'norm1' computes group_norm, which cannot be exported to C with --int8"):
        Quantized(row(cr.GroupNorm(2)), np.zeros((2, 2, 3, 3)))
    with pytest.raises(OptionError, match=r"ends with \.wasm"):
        write_wasm(row(), tmp_path / "network.js")
