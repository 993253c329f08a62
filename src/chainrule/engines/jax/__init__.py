"""The JAX engine: operations as pure functions on JAX arrays, and whole training steps compiled by XLA.

Every public function in the families' modules is an operation (`operations`). Many of these modules are generated from
formulas by `chainrule.operations.array_files`. Gradients are computed by the backward operations of the plan instead of
JAX's automatic differentiation.
"""
