"""One submission in a process of its own: `python -m chainrule.check.submission OPTIONS`, started by `homework`.

OPTIONS is JSON: file, against, shape, seed, seconds, memory (bytes) and where the result is to be written.
"""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

FILES = 16 << 20  # bytes that a submission may write to any one file


def main(text: str) -> None:
    """Check the submission, write what was found, and end at once: threads that still run are not waited for."""
    options = json.loads(text)
    limit(options["seconds"], options["memory"])
    found = _judged(options)
    place = Path(options["result"])
    place.write_text(json.dumps(found), encoding="utf-8")
    os._exit(0)


def limit(seconds: int, memory: int) -> None:
    """Limits of the operating system on this process, where it has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds + 1),
        (resource.RLIMIT_FSIZE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, most))


def _judged(options: dict[str, Any]) -> dict[str, Any]:
    """The report as plain values, or the error in a line."""
    try:
        from chainrule.check import sources
        from chainrule.check.entry import check_gradients

        found, name = sources.find(options["file"])
        report = check_gradients(
            found, against=options["against"], input_shape=options["shape"], seed=options["seed"], name=name
        )
        return report.to_json()
    except MemoryError:
        return {"error": "out of memory"}
    except BaseException as error:  # whatever a submission may raise, KeyboardInterrupt among it, is its row
        return {"error": " ".join(str(error).split()) or type(error).__name__}


if __name__ == "__main__":
    main(sys.argv[1])
