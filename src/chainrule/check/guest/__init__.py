"""What runs in the process of a submission: `boot.py`. It knows `chainrule.student`, and of the rest nothing."""
