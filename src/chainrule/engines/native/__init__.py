"""Kernels in C (`kernels/*.c`), compiled when the package is built, and the functions that call them."""
