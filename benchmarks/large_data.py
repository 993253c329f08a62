"""Memory and starting time of training on data larger than memory: a mapped array of 10 GB, and a million files.

    python -m benchmarks.large_data

The array is a sparse file, and the files are hard links to a few images, so that both need little space on the disk.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.image_folder import CLASSES, SIZE, watch, write_folder

FILES, DISTINCT = 1_000_000, 200  # files, and different images among them
ARRAY_BYTES = 10_000_000_000
SHAPE = (3, SIZE, SIZE)


def train_array(path: str) -> None:
    """Train for one epoch on a mapped array, with a fifth for validation."""
    import chainrule as cr

    x = np.load(path, mmap_mode="r")
    y = np.arange(len(x)) % CLASSES
    model = cr.Sequential([cr.GlobalAveragePool2D(), cr.Dense(CLASSES), cr.Softmax()], SHAPE)
    model.fit(x, y, validation_split=0.2, batch_size=256, progress=False)


def start_folder(folder: str) -> None:
    """Train on a folder until the first step is done, and print the time since the call of `fit`."""
    import chainrule as cr

    class Stop(cr.Callback):
        def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
            trainer.stop = True

    model = cr.Sequential([cr.GlobalAveragePool2D(), cr.Dense(CLASSES), cr.Softmax()], SHAPE)
    started, used = time.perf_counter(), time.process_time()
    model.fit(folder, callbacks=[Stop()], progress=False)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    print(f"first step after {seconds:.1f} s, with {cpu:.1f} s of processor time", flush=True)


def link_files(folder: Path, files: int) -> None:
    """Write a folder of images, most of which are hard links to the first."""
    write_folder(folder, DISTINCT)
    originals = sorted(folder.glob("*/*.jpg"))
    for number in range(DISTINCT, files):
        original = originals[number % DISTINCT]
        os.link(original, original.with_name(f"{number:07}.jpg"))


def main() -> None:
    """Create the data, and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--bytes", type=int, default=ARRAY_BYTES)
    parser.add_argument("--run", nargs=2, metavar=("array|folder", "PATH"))
    arguments = parser.parse_args()
    if arguments.run:
        {"array": train_array, "folder": start_folder}[arguments.run[0]](arguments.run[1])
        return
    with tempfile.TemporaryDirectory() as temporary:
        path, folder = Path(temporary) / "x.npy", Path(temporary) / "images"
        samples = arguments.bytes // int(np.prod(SHAPE))
        np.lib.format.open_memmap(path, "w+", np.uint8, (samples, *SHAPE))
        folder.mkdir()
        link_files(folder, arguments.files)
        for kind, place in (("array", path), ("folder", folder)):
            seconds, memory, _ = watch([sys.executable, "-m", "benchmarks.large_data", "--run", kind, str(place)])
            print(f"{kind:7} {seconds:6.1f} s  {memory:6.0f} MB", flush=True)


if __name__ == "__main__":
    main()
