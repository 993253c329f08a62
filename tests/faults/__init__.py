"""Faults while a run is written: kills, full and broken disks, two processes at once; `make faults` sweeps."""
