"""`python -m experiments`: runs the experiments. Start it in the root folder of the repository."""

from experiments.commands import experiment

if __name__ == "__main__":
    experiment(prog_name="python -m experiments")
