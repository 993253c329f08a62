"""Passes: rewrite a plan before it becomes a program, and check the result. May import `kernels`."""
