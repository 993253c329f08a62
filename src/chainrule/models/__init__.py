"""Networks (`Network`: layers, flat buffers and plans) and trainable models (`Sequential` and `Graph`).

The package also contains the format of model descriptions in files, and summaries.

Imports: errors, _io, core, engines, plotting, layers, data, training, explain, interop.
"""
