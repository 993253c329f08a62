"""Run folders: training with checkpoints, resuming, checksums, loading of results, sweeps of many runs, and
cross-validation.

run          training of a model, with all files in a separate folder
job          description of a run in config.json: model, data, recipe and engine
checkpoint   complete state of a run after one of its steps
digest       size and SHA-256 of a file
sweep        trainings with all combinations of some settings, called trials; each trial is a run
remark       sentence for the user, for example about a changed file

Imports: errors, version, _io, core, engines, plotting, layers, data, network, training, explain, interop, models.
"""
