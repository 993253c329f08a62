"""Keyframes: stored frames from which any later one can be recomputed to the same bits."""

import threading
from collections import deque

from chainrule.web.frames import Frame

MOST = 128  # keyframes
MEMORY = 256 << 20  # bytes of all keyframes, if FEWEST allows
FEWEST = 8
RECENT = 4  # recently viewed frames, whatever their step


class Timeline:
    """Frames at every multiple of a spacing, which doubles when there are too many, and some that always stay.

    pinned   frames that always stay: the first one, and the one at which a run was opened
    """

    def __init__(self, pinned: list[Frame], most: int | None = None) -> None:
        size = max((frame.memory for frame in pinned), default=1)
        self.most = most or max(FEWEST, min(MOST, MEMORY // max(size, 1)))
        self.spacing = 1
        self._lock = threading.Lock()
        self._pinned = {frame.step: frame for frame in pinned}
        self._kept: dict[int, Frame] = {}
        self._recent: deque[Frame] = deque(maxlen=RECENT)

    def __len__(self) -> int:
        return len(self._kept) + len(self._pinned)

    def wants(self, step: int) -> bool:
        """Return whether a frame of this step would be kept."""
        return step % self.spacing == 0 and step not in self._kept and step not in self._pinned

    def keep(self, frame: Frame) -> None:
        """Add a frame; while there are too many, drop every second one."""
        with self._lock:
            self._kept[frame.step] = frame
            while len(self._kept) > self.most:
                self.spacing *= 2
                self._kept = {step: kept for step, kept in self._kept.items() if step % self.spacing == 0}

    def remember(self, frame: Frame) -> None:
        """Keep a frame for a while, as it is likely to be requested next."""
        with self._lock:
            self._recent.append(frame)

    def pin(self, frame: Frame) -> None:
        """Keep a frame permanently."""
        with self._lock:
            self._pinned[frame.step] = frame

    def before(self, step: int) -> Frame | None:
        """Return the last stored frame at or before a step."""
        with self._lock:
            known = {**{frame.step: frame for frame in self._recent}, **self._kept, **self._pinned}
            found = max((place for place in known if place <= step), default=None)
            return None if found is None else known[found]

    def frames(self) -> list[Frame]:
        """Return all stored frames, by step."""
        with self._lock:
            known = {**{frame.step: frame for frame in self._recent}, **self._kept, **self._pinned}
            return [known[step] for step in sorted(known)]

    def forget(self, first: Frame) -> None:
        """Start over with one pinned frame."""
        with self._lock:
            self._kept, self._pinned, self.spacing = {}, {first.step: first}, 1
            self._recent.clear()
