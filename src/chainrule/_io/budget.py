"""The budget of a file: what reading it may cost, however often its parts refer to each other.

A few bytes of a file can state any size, and a part that is referred to twice at each of many levels has more copies
than a computer can count. Readers therefore charge what they compute, before they compute it.
"""

from chainrule.errors import FormatError

BYTES, BYTES_PER_BYTE = 3 << 27, 32  # of computed arrays: of any file, and for each of its bytes
STEPS = 1 << 20  # of at most four microseconds each: fields, opcodes, parts of nodes, characters of composed names


class Budget:
    """What reading one file may cost. All parts of its reader charge the same budget.

    size   bytes of the file

    Errors   FormatError, which names the part of the file that used up the budget
    """

    def __init__(self, size: int) -> None:
        self._size, self._others = size, set[str]()
        self._left = {"bytes of arrays": BYTES + BYTES_PER_BYTE * size, "steps": STEPS}

    def extend(self, name: str, size: int) -> None:
        """Allow for the bytes of another file that the file refers to, once for each name."""
        if name not in self._others:
            self._others.add(name)
            self._size += size
            self._left["bytes of arrays"] += BYTES_PER_BYTE * size

    def write(self, count: int, what: str) -> None:
        """Charge bytes of an array that is about to be computed. `what` names the part of the file."""
        self._charge("bytes of arrays", count, what)

    def visit(self, count: int, what: str) -> None:
        """Charge steps of Python. `what` names the part of the file."""
        self._charge("steps", count, what)

    def _charge(self, unit: str, count: int, what: str) -> None:
        left = self._left[unit]
        if count > left:
            needed = f"{count:,}" if count < 1 << 64 else "over 10¹⁹"
            raise FormatError(
                f"{what}: takes {needed} {unit}; expected at most {left:,}, which are left for a file of "
                f"{self._size:,} bytes"
            )
        self._left[unit] = left - max(count, 0)
