"""Benchmarks: this library and its peers, timed side by side in one run.

subjects      the networks to time, with recipes and synthetic images
peers/        our networks rebuilt in PyTorch and ONNX
contenders/   one class for each engine or peer and kind of work, each run in a separate process
worker        the program of that process; `processes` starts it and talks to it
rounds        all contenders in turn, and the least times
drawn         random networks from a seed
steps, epochs, startup, peak_memory, growth    the rows of the tables; `suite` names them
algorithms/   a layer computed by direct loops, matrix products, Winograd and Fourier transforms
machine       the peak performance of the processor; `work` counts the operations of a network
"""
