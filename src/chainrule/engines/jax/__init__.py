"""The JAX engine: operations as pure functions on JAX arrays, and whole training steps compiled by XLA.

Every public function in the modules of operations is an operation. The remaining operations are derived by `formulas`
from their formulas in `chainrule.operations`. Gradients are computed by the backward operations of the plan instead of
JAX's automatic differentiation.
"""
