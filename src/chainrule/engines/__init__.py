"""Engines: implementations of the operations that run a plan.

compiled   whole plans as compiled programs, parallel over the batch; the default
numpy      vectorised operations; needs nothing but NumPy
jax        whole steps compiled by XLA, for accelerators; needs `chainrule[jax]`
reference  the literal loops that define the operations: exact, readable and slow

The protocol that engines implement, the loader that finds an engine by name, and the interpreter of plans are here too.

Imports: errors, _io, core, operations, custom.
"""
