"""The JAX engine: operations as pure functions on JAX arrays, and whole training steps compiled by XLA.

Every public function in `activations`, `convolution`, `geometry`, `losses`, `normalization` and `pooling` is an
operation. The module `formulas` derives the other operations from their formulas in `chainrule.operations`. Gradients
are computed by the backward operations of the plan instead of JAX's automatic differentiation.
"""
