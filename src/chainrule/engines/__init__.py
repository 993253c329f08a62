"""Engines: implementations of the operations that run a plan.

compiled   compiles whole plans, parallel over the batch; the default
numpy      vectorized operations; needs only NumPy
jax        whole steps compiled by XLA, for accelerators; needs the extra `jax`
reference  the literal loops that define the operations: exact, readable and slow

The package also contains the protocol that engines implement, the loader of engines, and the interpreter of plans.

Imports: errors, _io, core, operations.
"""
