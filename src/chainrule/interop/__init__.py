"""Import and export of models in the formats of other software.

onnx/    ONNX, import and export       keras/   .keras and .h5 files
torch    PyTorch state dictionaries    c/       export to C99, int8 and WebAssembly

Models are passed as arguments; of the package `models`, functions that read inputs and decide are imported.

Imports: errors, version, _io, core, operations, engines, layers, data, network, training, models.
"""
