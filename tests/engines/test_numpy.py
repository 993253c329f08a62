"""What the NumPy engine alone must do: updates of parameters of any shape and layout. Others take flat buffers."""

from typing import Any

import numpy as np
import pytest
from numerical import normals

from chainrule import reference
from chainrule.engines import numpy as engine

ADAM = {"rate": 0.1, "step": 3, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "decay": 0.1}
UPDATES: dict[str, tuple[int, dict[str, Any]]] = {
    "sgd_update": (2, {"rate": 0.1}),
    "momentum_update": (3, {"rate": 0.1, "momentum": 0.9, "nesterov": False}),
    "adam_update": (4, ADAM),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_take_any_shape_and_layout(name: str) -> None:
    """Results are in row-major order, whatever the order of what they are made from."""
    count, attributes = UPDATES[name]
    arrays = [np.abs(array).T for array in normals(3, *[(3, 4)] * count)]
    found, expected = (as_tuple(getattr(place, name)(*arrays, **attributes)) for place in (engine, reference))
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-12)
        assert result.flags.c_contiguous


def as_tuple(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)
