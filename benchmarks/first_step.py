"""Program that runs the first training step of a process, and prints its duration, excluding imports.

python -m benchmarks.first_step TASK      TASK: a contender's task as JSON
"""

import json
import sys
import time

from benchmarks.contenders import OURS, Task
from benchmarks.subjects import images


def main() -> None:
    """Run the step and print its seconds as JSON."""
    task = Task.from_config(json.loads(sys.argv[1]))
    seconds = ours(task) if task.who in OURS else theirs(task)
    print(json.dumps({"seconds": seconds}))


def ours(task: Task) -> float:
    """Return the time to build a model and to run `fit` for one step, in seconds."""
    import chainrule

    shape, classes = tuple(task.subject.about["input_shape"]), len(task.subject.about["classes"])
    x, y = images(shape, classes, task.batch)
    recipe = task.subject.epoch(task.batch)
    _ = chainrule.Sequential
    start = time.perf_counter()
    model = task.subject.build(task.who, task.threads)
    model.fit(x, y, batch_size=task.batch, optimizer=recipe.optimizer, loss=recipe.loss, progress=False)
    return time.perf_counter() - start


def theirs(task: Task) -> float:
    """Return the time of the first step of PyTorch modules, without building them, in seconds."""
    from benchmarks.contenders.torch import Training

    contender = Training(task)
    start = time.perf_counter()
    contender.run(1, 0)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
