"""A process that takes one training step and prints the seconds that it took, imports left out.

python -m benchmarks.first TASK      TASK: a contender's, as JSON
"""

import json
import sys
import time

from benchmarks.contenders import OURS, Task
from benchmarks.subjects import images


def main() -> None:
    """Take the step."""
    task = Task.from_config(json.loads(sys.argv[1]))
    seconds = ours(task) if task.who in OURS else theirs(task)
    print(json.dumps({"seconds": seconds}))


def ours(task: Task) -> float:
    """From a model's making to the end of a `fit` of one step."""
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
    """From the making of the modules to the end of their first step."""
    from benchmarks.contenders.torch import Training

    contender = Training(task)
    start = time.perf_counter()
    contender.run(1, 0)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
