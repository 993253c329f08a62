"""Measurements: what this costs, beside other ways to compute it."""
