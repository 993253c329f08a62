"""The JAX engine: operations as pure functions on JAX arrays, and whole training steps compiled by XLA.

Every public function of the modules of operations is an operation; `formulas` derives the others from their formulas in
`chainrule.operations`. Gradients are the backward operations of the plan; JAX's automatic differentiation is not used.
"""
