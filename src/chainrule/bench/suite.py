"""The benchmarks by name, with what each is run on when nothing is said."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from chainrule.bench import epochs, growth, peers, startup, steps, subjects
from chainrule.bench.rows import Row
from chainrule.bench.setting import Setting
from chainrule.bench.subjects import Subject

FAST = "fast-mnist"


@dataclass(frozen=True)
class Choice:
    """What is timed. Empty: what is usual for the benchmark.

    names    the peers
    samples  training images of an epoch; 0: all
    seeds    runs of fast-mnist, whose accuracy is a mean
    """

    models: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    samples: int = 0
    seeds: int = 5

    def subjects(self, usual: Sequence[str]) -> list[Subject]:
        """The networks."""
        return [subjects.find(name) for name in self.models or usual]


def train(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Training steps."""
    names = peers.those(choice.names, "torch", "numpy")
    yield from steps.rows("train", choice.subjects(subjects.standard()), choice.batches or (1, 32, 128), names, setting)


def infer(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Calls of predict."""
    usual = choice.subjects([*subjects.TUTORIALS, "vgg-small"])
    yield from steps.rows("infer", usual, choice.batches or (1, 128), choice.names, setting)


def epoch(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Epochs of fit beside the plainest loop; and fast-mnist, whose one epoch is all of its training."""
    names = _without("torch-compile", peers.those(choice.names, "torch", "numpy"))
    if choice.models or choice.batches:
        for subject in choice.subjects(subjects.standard()[:2]):
            usual = (int(subject.recipe["batch_size"]),) if subject.name == FAST else (1, 32)
            yield from epochs.epochs([subject], choice.batches or usual, choice.samples, names, setting)
        return
    plain = _without("torch-channels-last", names)
    tutorials = choice.subjects(subjects.standard()[:2])
    yield from epochs.epochs(tutorials, (1, 32), choice.samples, plain, setting)
    fast = subjects.find(FAST)
    batch = int(fast.recipe["batch_size"])
    yield from epochs.epochs([fast], [batch], 0, names, replace(setting, rounds=choice.seeds))


def start(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Imports and first steps."""
    names = [name for name in choice.names if name == "torch"]
    yield from startup.imports(names, setting)
    for subject in choice.subjects(subjects.standard()[:1]):
        for batch in choice.batches or (32,):
            yield from startup.first_steps(subject, batch, names, setting)


def memory(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Peak memory of whole trainings."""
    names = _without("torch-compile", peers.those(choice.names, "torch", "numpy"))
    for subject in choice.subjects(subjects.standard()[:1]):
        for batch in choice.batches or (32,):
            yield from epochs.memory(subject, batch, choice.samples, names, setting)


def grow(choice: Choice, setting: Setting) -> Iterator[Row]:
    """How the cost of a step grows."""
    names = [name for name in choice.names if name == "torch"]
    yield from growth.growth(names, setting)


def _without(name: str, names: Sequence[str]) -> list[str]:
    return [each for each in names if each != name]


WORKS: dict[str, Callable[[Choice, Setting], Iterator[Row]]] = {
    "train": train,
    "infer": infer,
    "epoch": epoch,
    "startup": start,
    "memory": memory,
    "growth": grow,
}
ON_MNIST = ("epoch", "memory")
