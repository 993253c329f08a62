"""Inputs guided by code coverage with atheris, in a process of its own, whose imports must be instrumented.

python -m fuzz.guided FORMAT COUNT FOLDER SEED        writes FOLDER/tally.json; `make fuzz` calls it
"""

import base64
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

EVERY = 500  # inputs between two writes of the tally, as libFuzzer ends the process without notice
MOST_BYTES = 1 << 17
MARGIN = 3600  # seconds allowed beyond a twentieth of a second per input, as the machine may be busy


def available() -> bool:
    """Return whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def run(name: str, count: int, folder: Path, seed: int) -> dict[str, Any]:
    """Let atheris make `count` inputs of a format, and return their tally: the fields of `campaign.Tally`."""
    folder.mkdir(parents=True)
    words = [sys.executable, "-m", "fuzz.guided", name, str(count), str(folder), str(seed)]
    seconds = MARGIN + count // 20
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=seconds)
    tally = folder / "tally.json"
    found = json.loads(tally.read_text()) if tally.exists() else {"inputs": 0, "faults": []}
    if found["inputs"] < count:
        raise RuntimeError(f"{name}: atheris ended after {found['inputs']} inputs: {done.stderr[-2000:]}")
    found["faults"] = [(fault, base64.b64decode(content)) for fault, content in found["faults"]]
    return found


def main(name: str, count: int, folder: Path, seed: int) -> None:
    """Run atheris until `count` inputs have been read."""
    import atheris

    with atheris.instrument_imports(include=["chainrule"]):
        from fuzz.formats import FORMATS
    from fuzz.campaign import Inputs, Tally
    from fuzz.judge import judge, little_memory

    kind, tally = FORMATS[name], Tally(name)
    inputs = Inputs(kind, seed)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(inputs.seeds):
        (corpus / f"{number}").write_bytes(content)

    def write() -> None:
        kept = [(fault, base64.b64encode(content).decode()) for fault, content in tally.faults[:100]]
        (folder / "tally.json").write_text(json.dumps({**vars(tally), "faults": kept}))

    def one(content: bytes) -> None:
        if tally.inputs < count:
            tally.add(judge(lambda: kind.read(folder, content)), content)
            if tally.inputs % EVERY == 0 or tally.inputs == count:
                write()

    def mutate(content: bytes, most: int, number: int) -> bytes:
        """Alternate libFuzzer's own mutation with ours, which repairs the checksums."""
        if number % 2:
            return atheris.Mutate(content, most)
        return inputs[Random(number).getrandbits(40)][:most]

    flags = [f"-runs={count + 100}", f"-seed={seed + 1}", f"-max_len={MOST_BYTES}", "-rss_limit_mb=0", "-handle_alrm=0"]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], one, custom_mutator=mutate)
    with little_memory():
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
