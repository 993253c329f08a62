"""The code that runs in a submission's process, started by `boot.py`. It only imports `chainrule.custom`."""
