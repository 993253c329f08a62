"""What became of the files of an image folder: which were used, and which were left out and why."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SHOWN = 3  # files that a summary names


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that was not used.

    path     within the folder, with / between its parts
    reason   a category that is counted: "damaged", "not an image", …
    detail   what is wrong with this file; empty where the reason says it all
    remedy   how files left out for this reason can be used; empty where there is no way
    """

    path: str
    reason: str
    detail: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return "; ".join(part for part in (f"{self.path}: {self.reason}", self.detail, self.remedy) if part)


@dataclass(frozen=True)
class Inventory:
    """The account of an image folder.

    folder    its path
    used      part ("all", or "train", "validation", "test") → class → number of images
    left_out  what was not used, in the order of the paths
    changed   what was done to images that are not plain 8-bit pictures → in how many: "transparency shown on white"
    notes     how the folder was understood, where that may surprise
    """

    folder: str
    used: Mapping[str, Mapping[str, int]]
    left_out: tuple[LeftOut, ...] = ()
    changed: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Return how many images were used."""
        return sum(sum(classes.values()) for classes in self.used.values())

    @property
    def reasons(self) -> dict[str, int]:
        """Return how many files were left out for each reason, the most frequent first."""
        return dict(Counter(entry.reason for entry in self.left_out).most_common())

    def lines(self) -> list[str]:
        """Return counts of the files left out or changed, with the first few names; nothing where all was plain."""
        found = list(self.notes)
        for reason, count in self.reasons.items():
            of_reason = [entry for entry in self.left_out if entry.reason == reason]
            names = ", ".join(entry.path for entry in of_reason[:SHOWN])
            more = f" and {count - SHOWN:,} more" if count > SHOWN else ""
            remedy = of_reason[0].remedy and f"; {of_reason[0].remedy}"
            found.append(f"left out {count:,} ({reason}): {names}{more}{remedy}")
        found += [
            f"{count:,} {'image' if count == 1 else 'images'}: {what}" for what, count in (self.changed or {}).items()
        ]
        return found

    def to_json(self, *, listed: bool = True) -> dict[str, Any]:
        """All of it for a program; without the list of files unless `listed`."""
        about: dict[str, Any] = {
            "folder": self.folder,
            "images": self.images,
            "used": {part: dict(classes) for part, classes in self.used.items()},
            "left_out": self.reasons,
            "changed": dict(self.changed or {}),
            "notes": list(self.notes),
        }
        if listed:
            about["files_left_out"] = [asdict(entry) for entry in self.left_out]
        return about

    def __repr__(self) -> str:
        return f"Inventory({self.folder!r}: {self.images:,} images used, {len(self.left_out):,} files left out)"

    def __str__(self) -> str:
        return "\n".join([f"{self.folder}: {self.images:,} images used", *self.lines()])
