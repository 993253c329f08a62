"""Code written by users and learners, behind one interface: layers, losses, and modules of functions.

The code may run in this process or in another one (`check.guest`), so nothing here knows a right answer.

Imports: errors, _io, core.
"""
