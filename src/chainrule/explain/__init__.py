"""Traces of one training step: every value of the forward pass, the backward pass and the update, with explanations.

Imports: errors, core, operations, engines, layers, data, network, training, models.
"""

from chainrule.explain.explanation import Explanation
from chainrule.explain.trace import Trace
from chainrule.explain.updates import NextStep

__all__ = ["Explanation", "NextStep", "Trace"]
