"""The version of chainrule."""

__version__ = "1.0.0"
