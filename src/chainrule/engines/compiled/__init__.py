"""The compiled engine, which compiles a whole plan into one machine-code program.

passes/     turn the plan into steps and rewrite them: fusion, sharing, segments, checks
kernels/    the kernels of every operation, in a small subset of Python, and the choice between them
codegen/    write a plan as the source of a program that calls kernels
compiler/   compile programs and that subset of Python with LLVM; independent of networks
"""
