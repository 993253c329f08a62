"""The mathematics of every operation: literal loops in `reference/`, and equations and sentences in TOML files.

`definitions` loads the TOML files, of which there is one for each family of operations.

Imports: errors, core.
"""
