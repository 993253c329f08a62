"""Models: networks that users train and save (`Sequential` and `Graph`).

The package also contains summaries and the format of descriptions. A description is a dictionary that describes a
model in a file, without weights (`Model.about`).

Imports: errors, _io, core, engines, layers, data, network, training.
"""
