"""Common interface to layers, losses and functions that are written by users and learners.

The code may run in this process or in another one (`check.guest`). The expected results are not part of this package,
so that a learner's code cannot read them.

Imports: errors, _io, core.
"""
