"""The options that Keras 2.0 to 2.15 write for each layer, with their defaults, and arguments that have none.

Names and defaults in keras2_options.json are those of `get_config` and `__init__` in the released sources of Keras
2.0.9 to 2.15. An option is listed if any of these versions writes it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EVERY_LAYER: dict[str, Any] = {"trainable": True, "dtype": "float32", "dynamic": False}
POLICY = {"class_name": "Policy", "config": {"name": "float32"}, "module": "keras.mixed_precision"}


@dataclass(frozen=True)
class Case:
    """A layer of Keras 2.

    shape      of a sample, channels last
    required   arguments without a default
    defaults   options that Keras 2 writes, with their defaults
    """

    shape: tuple[int, ...]
    required: dict[str, Any] = field(default_factory=dict[str, Any])
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])


def _cases() -> dict[str, Case]:
    result = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return {kind: Case(tuple(row["shape"]), row["required"], row["defaults"]) for kind, row in result.items()}


CASES = _cases()
