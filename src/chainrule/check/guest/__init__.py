"""The code that runs in the process of a submission, started by `boot.py`. It imports `chainrule.custom` only."""
