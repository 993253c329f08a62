"""Benchmarks: this library and its peers, timed side by side in one run.

subjects      what is timed: a network, its recipe, made-up images
peers/        our networks in the terms of PyTorch and ONNX
contenders/   who is timed: one class an engine or peer and a kind of work, each in a process of its own
worker        that process; `processes` starts it and asks it
rounds        everyone in turn, and the medians
drawn         networks that nobody chose, from a seed
train, infer, epoch, startup, memory, growth, drawn    the tables
algorithms/   a layer by direct loops, matrix products, Winograd and Fourier transforms
machine       what the processor can do at best; `work` counts what a network asks of it
"""
