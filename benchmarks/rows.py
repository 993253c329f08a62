"""Results of a benchmark: a row for each work, model, batch and peer."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """This library and a peer at the same work. Times are in seconds, memory in bytes.

    work     train, infer, epoch, …
    missing  reason why a result for the peer, or for us, is missing
    more     further results: rounds, excesses, speeds
    """

    work: str
    model: str | None
    batch: int | None
    peer: str | None
    ours: float | None
    theirs: float | None
    missing: str | None = None
    more: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ratio(self) -> float | None:
        """Theirs / ours, above 1 where we are faster or need less; None if either is unknown."""
        return self.theirs / self.ours if self.ours and self.theirs else None

    def to_json(self) -> dict[str, Any]:
        """Return all fields and `more` as one JSON object."""
        names = ("work", "model", "batch", "peer", "ours", "theirs", "ratio", "missing")
        return {**{name: getattr(self, name) for name in names}, **self.more}
