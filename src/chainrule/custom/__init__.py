"""Common interface to layers, losses and functions written by users and learners.

The code may run in the current process or in another one (`check.guest`). This package does not contain the expected
results, so that a learner's code cannot read them.

Imports: errors, _io, core.
"""
