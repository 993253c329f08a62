"""Run folders: training with checkpoints, resuming, and loading of results.

run          training of a model, with all files in a separate folder
job          description of a run in config.json: model, data, recipe and engine
checkpoint   complete state of a run after one of its steps

Imports: errors, version, _io, core, engines, plotting, layers, data, network, training, explain, interop, models.
"""
