"""Models of other software: import and export, organised by format.

onnx/    ONNX, both ways          keras/   .keras and .h5 files
torch/   state dictionaries       c/       C99, int8 and WebAssembly

Models are passed in; `models` is imported for its types alone.

Imports: errors, version, _io, core, operations, engines, layers, data, training.
"""
