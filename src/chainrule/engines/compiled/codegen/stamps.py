"""Time stamps in the source of a profiled program, which otherwise equals that of the program.

Every thread has a row of `times`: the time stamp of its last call, then sums of the ticks between stamps. A thread's
columns add up to the time of the program. What the main thread waits for other threads is in the column WAITING.
"""

import re

WAITING, REST, FIRST = 1, 2, 3  # columns of `times`: waiting, what no step computes, and the first step
SYMBOL = "updates.stamp"
LINK = f"link({SYMBOL!r}, updates.stamp, [('float64', 1)], [0])\n"
FUNCTION = re.compile(r"def (\w+)\((.*)\):")
LOOP = re.compile(r" +for k(, thread)? in (?:prange\(threads\)|turns\(.*\)):")
STEP = re.compile(r" +call\(.*  # (\d+)")
NEXT_STEP = "        step = step + 1"  # the last line of a training step


def with_stamps(source: str) -> str:
    """Return the source of a program with a time stamp after each call that ends in a comment with its number."""
    heading, *functions = re.split(r"^(?=def )", source, flags=re.M)
    title, links = heading.split("\n\n", 1)
    return "".join([f"{title}\n\n{LINK}{links}", *map(_stamped, functions)])


def _stamped(text: str) -> str:
    """Return a function, and the lines up to the next one, with time stamps."""
    head, *lines = text.splitlines()
    name, arguments = FUNCTION.fullmatch(head).groups()  # pyright: ignore[reportOptionalMemberAccess]
    names = arguments.split(", ")
    if "times" not in names:
        return text
    length = next((number for number, line in enumerate(lines) if not line), len(lines))
    is_called = name.startswith("samples_")
    runs_steps = "outcomes" in names
    row = "times[0]"
    if is_called:
        row = "times"
    result = [head]
    if not runs_steps:
        result = [head, _stamp(4, row, WAITING if is_called else 0)]
    for line in lines[:length]:
        indent = len(line) - len(line.lstrip())
        if line == NEXT_STEP:
            result.append(_stamp(indent, row, REST))
        result.append(line)
        if loop := LOOP.fullmatch(line):
            result.append(_stamp(indent + 4, "times[thread]" if loop[1] else "times[k]", WAITING))
        elif step := STEP.fullmatch(line):
            own = "times[k]"
            if is_called or indent == 4:
                own = row
            result.append(_stamp(indent, own, FIRST + int(step[1])))
    if not runs_steps:
        result += [_stamp(4, row, REST)]
    return "\n".join([*result, *lines[length:], ""])


def _stamp(indent: int, row: str, column: int) -> str:
    return f"{' ' * indent}call({SYMBOL!r}, ({row}, {column},))"
