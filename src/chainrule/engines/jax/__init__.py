"""The JAX engine: every operation as a pure function on JAX arrays, and whole training steps compiled by XLA.

Every public function of a family's file is an operation; `formulas` makes the others from their formulas in
`chainrule.operations`. Gradients are the plan's own backward operations: nothing here differentiates.
"""
