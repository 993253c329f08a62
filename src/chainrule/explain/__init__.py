"""Traces of one training step: every value of forward, backward and update, and its explanation.

Imports: errors, core, operations, engines, plotting, layers, training.
"""

from chainrule.explain.record import Explanation
from chainrule.explain.stepping import NextStep
from chainrule.explain.trace import Trace

__all__ = ["Explanation", "NextStep", "Trace"]
