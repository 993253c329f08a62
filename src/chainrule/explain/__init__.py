"""A training step looked at: every number of forward, backward and update, and how it was made."""

from chainrule.explain.record import Explanation
from chainrule.explain.stepping import Training
from chainrule.explain.trace import Trace

__all__ = ["Explanation", "Trace", "Training"]
