"""The benchmarks by name, with default networks and batch sizes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks import epochs, growth, peers, random_networks, startup, steps, subjects, thread_counts, vision
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject

FAST = "fast-mnist"


@dataclass(frozen=True)
class Choice:
    """A selection of what to time. Empty values select the benchmark's defaults.

    models   names of networks, model files or run folders
    batches  batch sizes
    names    names of the peers
    samples  training images per epoch; 0 for all
    seeds    number of fast-mnist runs to average
    count    number of random networks, drawn from `seed`
    """

    models: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    samples: int = 0
    seeds: int = 5
    count: int = 60
    seed: int = 0

    def subjects(self, default: Sequence[str]) -> list[Subject]:
        """Return the selected networks, or the default ones."""
        return [subjects.find(name) for name in self.models or default]


def train(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time training steps."""
    names = peers.select_peers(choice.names, "torch", "torch-cuda-graph", "numpy")
    yield from steps.rows("train", choice.subjects(subjects.standard()), choice.batches or (1, 32, 128), names, setting)


def infer(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time calls of predict."""
    networks = choice.subjects([*subjects.TUTORIALS, "vgg-small"])
    yield from steps.rows("infer", networks, choice.batches or (1, 128), choice.names, setting)


def epoch(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time epochs of fit and of a minimal loop; by default, include fast-mnist, which is trained for one epoch."""
    names = _without("torch-compile", peers.select_peers(choice.names, "torch", "numpy"))
    pairs = _with_batches(choice.subjects(subjects.standard()[:2]), choice.batches)
    if choice.models or choice.batches:
        yield from epochs.epochs(pairs, choice.samples, names, setting)
        return
    yield from epochs.epochs(pairs, choice.samples, _without("torch-channels-last", names), setting)
    fast = _with_batches([subjects.find(FAST)], ())
    yield from epochs.epochs(fast, 0, names, replace(setting, rounds=choice.seeds))


def _with_batches(selected: Sequence[Subject], batches: Sequence[int]) -> list[tuple[Subject, int]]:
    """Pair every network with every batch size; by default 1 and 32, or the recipe's for fast-mnist."""
    defaults = {FAST: (int(subjects.find(FAST).recipe["batch_size"]),)}
    return [(subject, batch) for subject in selected for batch in batches or defaults.get(subject.name, (1, 32))]


def start(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time imports and first steps."""
    names = [name for name in choice.names if name == "torch"]
    yield from startup.imports(names, setting)
    for subject in choice.subjects(subjects.standard()[:1]):
        for batch in choice.batches or (32,):
            yield from startup.first_steps(subject, batch, names, setting)


def memory(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Measure the peak memory of whole training runs."""
    names = _without("torch-compile", peers.select_peers(choice.names, "torch", "numpy"))
    for subject in choice.subjects(subjects.standard()[:1]):
        for batch in choice.batches or (32,):
            yield from epochs.memory(subject, batch, choice.samples, names, setting)


def grow(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time training steps of growing batch size, channels and image size."""
    names = [name for name in choice.names if name == "torch"]
    yield from growth.growth(names, setting)


def several_threads(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time training steps on different numbers of threads."""
    networks = choice.subjects([*subjects.standard(), "resnet-8"])
    yield from thread_counts.rows(networks, choice.batches or (128,), setting)


def draw(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time training steps and calls of predict of random networks."""
    yield from random_networks.rows(choice.count, choice.seed, choice.batches, choice.names, setting)


def train_branching(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time training steps of branching networks."""
    names = peers.select_peers(choice.names, "torch", "numpy")
    yield from steps.rows(
        "train", choice.subjects(("resnet-8", "resnet-20")), choice.batches or (32, 128), names, setting
    )


def infer_branching(choice: Choice, setting: Setting) -> Iterator[Row]:
    """Time calls of predict of well-known branching networks."""
    networks = choice.subjects(("resnet-8", "resnet-20", *vision.NETWORKS))
    yield from steps.rows("infer", networks, choice.batches or (1, 32), choice.names, setting)


def _without(name: str, names: Sequence[str]) -> list[str]:
    return [peer for peer in names if peer != name]


WORKS: dict[str, Callable[[Choice, Setting], Iterator[Row]]] = {
    "train": train,
    "infer": infer,
    "epoch": epoch,
    "startup": start,
    "memory": memory,
    "growth": grow,
    "drawn": draw,
    "threads": several_threads,
    "train-branching": train_branching,
    "infer-branching": infer_branching,
}
ON_MNIST = ("epoch", "memory")
