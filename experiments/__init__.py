"""Experiments: commands that reproduce the tables and figures of the documentation."""
