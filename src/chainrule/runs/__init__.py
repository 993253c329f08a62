"""Run folders: jobs, training with checkpoints, checksums, resuming, loading, and sweeps of many runs.

Imports: errors, version, _io, core, engines, plotting, layers, data, training, explain, interop, models.
"""
