"""How a benchmark is run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import peers


def _unwatched(text: str, share: float) -> None:
    pass


@dataclass(frozen=True)
class Setting:
    """What all benchmarks are given.

    threads      of each contender
    rounds       turns that each has
    engine       ours
    watch        told what is being done, and which share of all is done
    environment  of the contenders, besides the number of threads
    """

    threads: int
    rounds: int = 20
    engine: str = "numba"
    watch: Callable[[str, float], None] = _unwatched
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def divided(self, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """Of some peers: why the missing ones are missing, and who is here, we first."""
        absent = {name: reason for name in names if (reason := peers.missing(name))}
        return absent, [self.engine, *(name for name in names if name not in absent and name != self.engine)]

    def facts(self) -> dict[str, Any]:
        """What each row says of it."""
        return {"engine": self.engine, "threads": self.threads, "rounds": self.rounds}
