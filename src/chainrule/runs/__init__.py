"""Run folders: what makes a run, training it there, keeping it so that it can be resumed."""
