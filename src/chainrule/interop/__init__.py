"""Import and export of models in the formats of other software.

onnx/    ONNX, import and export       keras/   .keras and .h5 files
torch    PyTorch state dictionaries    c/       export to C99, int8 and WebAssembly

Models are passed as arguments; the package `models` is imported only for type annotations.

Imports: errors, version, _io, core, operations, engines, layers, data, network, training, models.
"""
