"""Faults while a run is written: kills, full and broken disks, concurrent processes; `make faults` sweeps."""
