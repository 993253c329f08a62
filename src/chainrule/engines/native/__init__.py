"""The compiled engine: kernels in C, compiled when the package is built, and whole plans as tables of calls of them.

passes/            turn a plan into steps and rewrite them: fusion, sharing, segments, memory, checks
program_tables.py  writes the steps as tables
programs.py        runs a plan's tables on a model's arrays
kernels/           the kernels of every operation in C, their declarations, and the choice between them
program.c, pool.c  run a table, whose loops threads share; scratch.c has the kernels' memory
build.py           compiles the library of kernels
"""
