"""Models of other software: import and export, organised by format.

onnx/    ONNX, both ways          keras/   .keras and .h5 files
torch/   state dictionaries       c/       C99, int8 and WebAssembly
May import layers, engines and training. Models are passed in.
"""
