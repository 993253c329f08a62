"""The mathematics of every operation: literal loops in `reference/`, and equations and sentences in TOML files.

`definitions` loads the TOML files. There is one file per family of operations. An element-wise operation computes each
element of its result from one element of its input; the code for it is generated from formulas (`generator`).

Imports: errors, core.
"""
