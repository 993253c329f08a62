"""What a benchmark found: a row for each work, model, batch and peer."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """We and a peer at the same work. Times are in seconds, memory in bytes.

    work     train, infer, epoch, …
    ratio    theirs / ours: above 1 we are faster, or need less
    missing  why there are no numbers for the peer, or for us
    more     what else is known: rounds, spreads, speeds
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
        """theirs / ours; None where either is not known."""
        return self.theirs / self.ours if self.ours and self.theirs else None

    def to_json(self) -> dict[str, Any]:
        """All of it in one object."""
        names = ("work", "model", "batch", "peer", "ours", "theirs", "ratio", "missing")
        return {**{name: getattr(self, name) for name in names}, **self.more}
