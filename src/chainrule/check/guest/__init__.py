"""The code that runs in the process of a submission: `boot.py`. It imports `chainrule.custom` and nothing else."""
