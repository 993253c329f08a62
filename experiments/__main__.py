"""`python -m experiments`: the experiments, run from the root of a clone."""

from experiments.commands import experiment

if __name__ == "__main__":
    experiment(prog_name="python -m experiments")
