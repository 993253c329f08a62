"""Training on a folder of JPEG files that are decoded when needed, compared with PyTorch's ImageFolder and DataLoader.

    python -m benchmarks.image_folder --images 20000

Each library trains the same network for one epoch in a process of its own. Images per second, the memory of all its
processes (shared pages are counted once), and how often at least two of its threads could run, are
printed for each. With torch and torchvision missing, only chainrule is measured.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.commands import options
from chainrule.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from chainrule.models.model import Model, Sequential
from chainrule.training.optimizers import Adam

CLASSES, PIXELS, SIZE, BATCH = 10, 96, 64, 64
INTERVAL = 0.05  # seconds between two samples of the processes' states


def write_folder(folder: Path, images: int) -> None:
    """Write JPEG files of random blobs, in one subfolder per class."""
    from PIL import Image

    random = np.random.default_rng(0)
    patterns = random.integers(0, 256, (CLASSES, 12, 12, 3))
    for number in range(images):
        label = number % CLASSES
        (folder / f"class{label}").mkdir(exist_ok=True)
        pixels = (patterns[label] + random.integers(-40, 40, (12, 12, 3))).clip(0, 255).astype(np.uint8)
        image = Image.fromarray(pixels).resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)
        image.save(folder / f"class{label}" / f"{number:07}.jpg", quality=85)


def network() -> Model:
    """Return the network that both libraries train."""
    features = [Conv2D(16, 3), ReLU(), MaxPool2D(2), Conv2D(32, 3), ReLU(), MaxPool2D(2)]
    return Sequential([*features, Flatten(), Dense(CLASSES), Softmax()], (3, SIZE, SIZE))


def train_chainrule(folder: str) -> None:
    """Train for one epoch with chainrule."""
    network().fit(folder, batch_size=BATCH, progress=False)


def train_torch(folder: str) -> None:
    """Train for one epoch with PyTorch, with one reading process per processor."""
    from benchmarks.peers import torch_training
    from benchmarks.peers.torch import Translation, torch

    vision: Any = importlib.import_module("torchvision")
    transforms = vision.transforms
    transform = transforms.Compose([transforms.Resize((SIZE, SIZE)), transforms.ToTensor()])
    data = vision.datasets.ImageFolder(folder, transform)
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=len(os.sched_getaffinity(0)))
    ours = network()
    module = Translation(ours, ours.plan(ours.check_loss()))
    optimizer = torch_training.optimizer(Adam(), module.parameters())
    for x, y in loader:
        torch_training.step(optimizer, module, torch_training.functional.cross_entropy, x, y)


TRAININGS = {"chainrule": train_chainrule, "torch": train_torch}


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    descendants = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            descendants += family(int(child))
    return descendants


def sample(pid: int) -> tuple[float, int]:
    """Return the memory of a process and its descendants in MB, and the number of their threads that could run."""
    memory = 0.0
    runnable = 0
    for member in family(pid):
        rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        memory += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1000
        for task in Path(f"/proc/{member}/task").iterdir():
            runnable += (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    return memory, runnable


def watch(command: list[str]) -> tuple[float, float, float]:
    """Run a command, and return its seconds, the largest memory of its processes in MB, and how busy they were.

    They are busy while at least two of their threads can run, so that the load of other programs does not matter.

    Errors   RuntimeError if the command fails
    """
    started = time.perf_counter()
    process = subprocess.Popen(command)
    samples = list[tuple[float, int]]()
    while process.poll() is None:
        time.sleep(INTERVAL)
        try:
            samples.append(sample(process.pid))
        except (OSError, StopIteration):  # a process has just ended
            continue
    if process.returncode:
        raise RuntimeError(f"failed: {' '.join(command)}")
    busy = float(np.mean([count >= 2 for _, count in samples]))
    return time.perf_counter() - started, max(samples)[0], busy


@click.command()
@options.number("--images", default=20_000, text="Number of images.")
@options.number("--rounds", default=2, text="Trainings per library.")
@click.option("--train", type=click.Choice([*TRAININGS]), help="Only train, in this process.")
@click.argument("folder", required=False)
def main(images: int, rounds: int, train: str | None, folder: str | None) -> None:
    """Write images, unless there is a FOLDER of them, and measure a training of one epoch with each library."""
    if train and folder:
        TRAININGS[train](folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        if not folder:
            write_folder(Path(temporary), images)
        installed = [kind for kind in TRAININGS if kind == "chainrule" or importlib.util.find_spec("torchvision")]
        for kind in installed * rounds:
            command = [sys.executable, "-m", "benchmarks.image_folder", "--train", kind, folder or temporary]
            seconds, memory, busy = watch(command)
            speed = f"{images / seconds:8,.0f} images/s  {memory:6.0f} MB"
            click.echo(f"{kind:10} {speed}  two threads runnable {100 * busy:.0f} %")


if __name__ == "__main__":
    main()
