"""Networks exported to WebAssembly, called image by image by Node on one thread."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import Task
from benchmarks.contenders.expected import Predictions
from chainrule.engines.protocol import Array
from chainrule.interop.c.wasm import write_wasm

LOOP = """
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { load } from "./network.mjs";
const predict = await load(readFileSync("network.wasm"));
const images = JSON.parse(readFileSync("images.json")).map((image) => Float32Array.from(image));
const answer = (value) => process.stdout.write(JSON.stringify(value) + "\\n");
for await (const line of createInterface({ input: process.stdin })) {
    if (line === "outputs") {
        answer(images.map((image) => [...predict(image)]));
        continue;
    }
    const start = performance.now();
    for (let n = 0; n < Number(line); n++) for (const image of images) predict(image);
    answer((performance.now() - start) / 1000);
}
"""


class Inference(Predictions):
    """Timed calls of the JavaScript function, one per image of a batch, in a Node process that ends with this one."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        _, script, _ = write_wasm(self.model(), folder / "network.wasm")
        script.rename(folder / "network.mjs")
        images = self._x.reshape(task.batch, -1)
        (folder / "images.json").write_text(json.dumps(images.tolist()))
        (folder / "loop.mjs").write_text(LOOP)
        pipe = subprocess.PIPE
        self._node: Any = subprocess.Popen(["node", "loop.mjs"], cwd=folder, stdin=pipe, stdout=pipe, text=True)

    def outputs(self) -> Array:
        """Return the outputs for the batch."""
        return np.array(self._ask("outputs"), np.float32)

    def run(self, repetitions: int, warm_ups: int) -> float:
        """Run the network; return the time of the repetitions in seconds, excluding the warm-ups."""
        self._ask(warm_ups)
        return self._ask(repetitions)

    def _ask(self, what: str | int) -> Any:
        self._node.stdin.write(f"{what}\n")
        self._node.stdin.flush()
        return json.loads(self._node.stdout.readline())
