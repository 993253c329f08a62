"""Calls of kernels with attributes by name."""

from typing import Any

from chainrule.engines.compiled.kernels.selection import KERNELS


def run(kernel: Any, *arrays: Any, **attributes: Any) -> None:
    """Run a kernel on the arrays that it reads and writes."""
    KERNELS[kernel.__name__].call(arrays, attributes)
