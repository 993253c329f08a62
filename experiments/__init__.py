"""Experiments: the tables and pages of the documentation, worked out anew by a command."""
