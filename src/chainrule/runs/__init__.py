"""Run folders: training with checkpoints, resuming, checksums, loading of results, and sweeps of many runs.

Imports: errors, version, _io, core, engines, plotting, layers, data, training, explain, interop, models.
"""
