"""PyTorch's results, as recorded by record_torch.py."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures" / "torch.json").read_text())


def unpack(packed: list[Any]) -> NDArray[np.float64]:
    """Decode an array of the file."""
    shape, text = packed
    return np.frombuffer(base64.b64decode(text), "<f8").reshape(shape)
