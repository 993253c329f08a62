"""An engine for derivatives: the operations in float64 and in complex numbers, quick where that costs no exactness."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule import engines
from chainrule.engines import Array, ModuleEngine
from chainrule.plan import Plan

LINEAR = {
    *("cross_correlate", "cross_correlate_dx", "cross_correlate_dw", "add_bias", "bias_gradient"),
    *("dense", "dense_dx", "dense_dw", "average_pool", "average_pool_dx", "max_pool_dx"),
    *("batch_norm", "batch_norm_inference", "batch_norm_dx", "batch_norm_dw", "dropout", "softmax"),
}


class ExactEngine(ModuleEngine):
    """NumPy's operations on real numbers; on complex ones, the reference loops where NumPy's drop imaginary parts.

    A complex step through an operation needs it to be written without |x| and comparisons of whole complex numbers:
    the reference is, and of the NumPy engine those that only add, multiply and divide.
    """

    def __init__(self) -> None:
        super().__init__("numpy")
        self._reference = engines.find("reference")

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Call the function of that name."""
        floats = [array.dtype for array in arrays if array is not None and array.dtype.kind in "fc"]
        dtype = np.result_type(*floats) if floats else np.dtype(np.float64)
        given = tuple(array if array is None or array.dtype.kind not in "fc" else array.astype(dtype) for array in arrays)
        if dtype.kind == "c" and name not in LINEAR:
            return self._reference.run(name, given, attributes)
        return super().run(name, given, attributes)

    def compile(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: engines.Buffers, threads: int) -> None:
        """None: these functions are called one by one."""
        return


ENGINE = ExactEngine()
