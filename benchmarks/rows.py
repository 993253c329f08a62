"""Results of a benchmark: a row per work, model, batch size and peer."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """Results of this library and a peer for the same work: times in seconds.

    work     train, infer or drawn
    missing  reason why one of the results is missing
    more     additional results, such as rounds and speeds
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
        """Theirs / ours, above 1 if this library is faster; None if either is missing."""
        return self.theirs / self.ours if self.ours and self.theirs else None

    def to_json(self) -> dict[str, Any]:
        """Return all fields and `more` as one JSON object."""
        names = ("work", "model", "batch", "peer", "ours", "theirs", "ratio", "missing")
        return {**{name: getattr(self, name) for name in names}, **self.more}
