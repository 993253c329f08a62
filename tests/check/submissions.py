"""Submissions as text: a ReLU layer, with lines added to it."""

import textwrap

LAYER = """
import numpy as np

class Layer:
    def forward(self, x):
        {forward}
        self.x = x
        return x * (x > 0)

    def backward(self, dy):
        {backward}
        return {gradient}
"""


def relu(forward: str = "pass", backward: str = "pass", gradient: str = "dy * (self.x > 0)") -> str:
    """Return a ReLU with these lines at the start of forward and backward; correct unless they, or dx, change it."""
    lines = [textwrap.indent(textwrap.dedent(part).strip(), " " * 8).strip() for part in (forward, backward)]
    return LAYER.format(forward=lines[0], backward=lines[1], gradient=gradient)
