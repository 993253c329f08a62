"""The table of the zoo: accuracies and other metrics reached by the recipes, compared with their targets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.errors import DataError
from chainrule.runs import jobs, running
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import DataChoice, Job, require_same
from chainrule.runs.running import Result
from chainrule.training.recipe import Recipe
from chainrule.training.trainer import Callback
from chainrule.zoo.entry import Entry, Target

SEEDS = {"fast-mnist": 5, "mnist-995": 5, "mnist-997": 5}  # number of averaged runs; 1 for other networks
QUICK_IMAGES = 256  # training and test images of a quick run


@dataclass(frozen=True)
class Setting:
    """Settings of the table.

    folder   folder that contains the run folders; existing runs are resumed
    options  options of `DataChoice.load`: folder, offline, progress; None for no options
    quick    whether to train only one epoch on a few images, to test the command without checking accuracies
    cifar10  True: require the runs on CIFAR-10; False: skip them; None: run them if the data are available
    """

    folder: Path
    engine: str | None = None
    threads: int | None = None
    quick: bool = False
    cifar10: bool | None = None
    options: dict[str, Any] | None = None
    precise: bool = False


@dataclass(frozen=True)
class ZooRow:
    """A network's result on a data set. If the network was skipped, `reached` is None and `note` states the reason.

    stated      accuracy reported by the tutorial, as text
    metric      name of the metric of the target
    must_reach  target of the test metric; None if there is none
    reached     mean test metric over the runs
    seconds     mean training time
    missed      whether the target was not reached
    """

    name: str
    source: str
    parameters: int
    data: str
    epochs: int
    stated: str
    must_reach: float | None
    reached: float | None = None
    seconds: float | None = None
    missed: bool = False
    note: str = ""
    metric: str = "accuracy"

    def to_json(self) -> dict[str, object]:
        """Return all fields as JSON values."""
        return asdict(self)


def rows(
    entries: Sequence[Entry], setting: Setting, callbacks: Callable[[str], Sequence[Callback]] = lambda title: ()
) -> Iterator[ZooRow]:
    """Train the networks and yield their rows.

    callbacks   function that returns the callbacks for the title of a run, such as "mlp on mnist"
    """
    for entry in entries:
        for target in entry.targets or (Target(entry.choice.name, None),):
            if target.data != "cifar10" or setting.cifar10 is not False:
                yield _row(entry, target, setting, callbacks)


def _row(entry: Entry, target: Target, setting: Setting, callbacks: Callable[[str], Sequence[Callback]]) -> ZooRow:
    """Return the row of a network that is trained on a data set; a note instead of results if the data are missing."""
    data = target.data
    recipe = entry.recipe_for(data)
    choice = DataChoice(data)
    stated = "–"
    if data == entry.choice.name:
        choice = entry.choice
        stated = entry.stated
    seed_count = SEEDS.get(entry.name, 1)
    if setting.quick:
        recipe = replace(recipe, epochs=1)
        choice = replace(choice, limit=QUICK_IMAGES)
        seed_count = 1
    row = ZooRow(entry.name, entry.source, 0, data, recipe.epochs, stated, target.value, metric=target.metric)
    may_be_missing = data == "cifar10" and not setting.cifar10  # too large to download for a test
    location: dict[str, Any] = dict(setting.options or {})
    if may_be_missing and setting.quick:
        location["offline"] = True
    try:
        loaded = choice.load(recipe.seed, **location)
    except DataError as error:
        if not may_be_missing:
            raise
        shape = (3, 32, 32)
        classes = tuple(map(str, range(10)))
        size = entry.build(shape, classes, engine="numpy").parameters.size
        return replace(row, parameters=size, note=f"skipped: {error}")
    results: list[Result] = []
    for seed in range(recipe.seed, recipe.seed + seed_count):
        title = f"{entry.name} on {data}"
        if seed_count > 1:
            title += f", seed {seed}"
        results.append(_run(entry, choice, replace(recipe, seed=seed), loaded, setting, title, callbacks(title)))
    return _complete_row(row, results, setting)


def _run(
    entry: Entry,
    choice: DataChoice,
    recipe: Recipe,
    loaded: tuple[Dataset, Dataset],
    setting: Setting,
    title: str,
    callbacks: Sequence[Callback],
) -> Result:
    """Train in a new run folder, or resume an unfinished run in an existing folder; return the result.

    Errors   OptionError if the folder contains a run of another network, recipe or engine; DataError if it contains a
             run on other data; KeyboardInterrupt if the run was interrupted
    """
    training, test = loaded
    if setting.quick:
        test = test.take(QUICK_IMAGES)
    build_arguments: dict[str, Any] = {"seed": recipe.seed, "loss": recipe.loss}
    build_arguments |= {"engine": setting.engine, "threads": setting.threads, "precise": setting.precise}
    model = entry.build(training.sample_shape, training.classes, **build_arguments)
    command = ("chainrule", "zoo", entry.name)
    machine = model.engine.name, model.threads
    job = Job(model.about(), choice, recipe, *machine, command=command, precise=model.precise)
    folder = setting.folder / title.replace(" on ", "-").replace(", seed ", "-")
    if (folder / CONFIG).is_file():
        require_same(folder, jobs.read_job(folder), job)
        result = running.resume(folder, training, test, callbacks)
    else:
        result = running.start(folder, job, training, test, callbacks)
    if result.evaluation is None:
        raise KeyboardInterrupt
    return result


def _complete_row(row: ZooRow, results: Sequence[Result], setting: Setting) -> ZooRow:
    """Return the row with the mean metric over its runs."""
    values = list[float]()
    for result in results:
        if result.evaluation:
            values.append(float(getattr(result.evaluation, row.metric)))
    reached = float(np.mean(values))
    seconds = sum(result.seconds for result in results) / len(results)
    missed = row.must_reach is not None and reached < row.must_reach and not setting.quick
    notes = list[str]()
    if len(results) > 1:
        notes.append(f"mean of {len(results)} seeds")
    threads = {result.model.threads for result in results}
    if setting.threads is not None and threads != {setting.threads}:
        notes.append(f"threads: {', '.join(map(str, sorted(threads)))}")
    size = results[0].model.parameters.size
    note = "; ".join(notes)
    return replace(row, parameters=size, reached=reached, seconds=seconds, missed=missed, note=note)
