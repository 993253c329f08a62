"""Settings of a benchmark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import peers


def _unwatched(text: str, share: float) -> None:
    pass


@dataclass(frozen=True)
class Setting:
    """Settings of all benchmarks.

    threads  threads per contender
    rounds   turns per contender
    engine   engine of this library
    watch    function called with the current activity and the completed fraction of the work
    """

    threads: int
    rounds: int = 20
    engine: str = "compiled"
    watch: Callable[[str, float], None] = _unwatched

    def divided(self, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """Split the peers into missing ones, with reasons, and available contenders, with our engine first."""
        absent = {name: reason for name in names if (reason := peers.missing(name))}
        return absent, [self.engine, *(name for name in names if name not in absent and name != self.engine)]

    def facts(self) -> dict[str, Any]:
        """Return the settings to report in each row."""
        return {"engine": self.engine, "threads": self.threads, "rounds": self.rounds}
