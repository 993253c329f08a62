"""Sweeps: many trainings that differ in some options and their seeds, on all processors or on several machines."""
