"""Run folders: jobs, training with checkpoints, checksums, resuming."""
