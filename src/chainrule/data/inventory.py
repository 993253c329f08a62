"""Inventories of image folders: used files, and unused files with reasons."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

SHOWN = 3  # maximum number of files named in a summary


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that was not used.

    path     path relative to the folder, with / as separator
    reason   category of the problem: "damaged", "no image", …
    detail   details about this file; None: there are none
    remedy   how to make files with this problem usable; None: unknown
    """

    path: str
    reason: str
    detail: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.path}: {self.reason}"]
        if self.detail is not None:
            parts.append(self.detail)
        if self.remedy is not None:
            parts.append(self.remedy)
        return "; ".join(parts)


@dataclass(frozen=True)
class Inventory:
    """The inventory of an image folder: its used and unused files.

    folder    path of the folder
    used      set ("all", or "train", "validation", "test") → class → number of images
    left_out  unused files, sorted by path
    changed   conversion, such as "transparent parts shown on white" → number of images; None for no conversions
    notes     remarks, if the folder could be interpreted in several ways
    """

    folder: str
    used: Mapping[str, Mapping[str, int]]
    left_out: tuple[LeftOut, ...] = ()
    changed: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Number of used images."""
        count = 0
        for classes in self.used.values():
            count += sum(classes.values())
        return count

    @property
    def reasons(self) -> dict[str, int]:
        """Number of unused files for each reason, beginning with the most frequent reason."""
        return dict(Counter(entry.reason for entry in self.left_out).most_common())

    def lines(self) -> list[str]:
        """Return lines of text: the notes, one line per reason with its first files, and one line per conversion.

        For example, "left out 2 (damaged): cats/a.png, cats/b.png" and "3 images: transparent parts shown on white".
        """
        lines = list(self.notes)
        for reason, count in self.reasons.items():
            first, *others = (entry for entry in self.left_out if entry.reason == reason)
            names = [first.path]
            for entry in others[: SHOWN - 1]:
                names.append(entry.path)
            line = f"left out {count:,} ({reason}): {', '.join(names)}"
            if count > SHOWN:
                line += f" and {count - SHOWN:,} more"
            if first.remedy is not None:  # the same for all files with this reason
                line += f"; {first.remedy}"
            lines.append(line)
        for conversion, count in (self.changed or {}).items():
            noun = "image" if count == 1 else "images"
            lines.append(f"{count:,} {noun}: {conversion}")
        return lines

    def to_json(self, *, listed: bool = True) -> dict[str, object]:
        """Return the inventory as JSON values, with the list of unused files if ``listed``."""
        about: dict[str, object] = {
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
