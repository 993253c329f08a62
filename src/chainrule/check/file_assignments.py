"""Assignments of a file of functions and classes, in interfaces of courses or under their contracts; each is a part."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.check.checked_file import CheckedFile
from chainrule.check.contracts import course_report, stated_report
from chainrule.check.course_contracts import course
from chainrule.check.failures import failure_result
from chainrule.check.file_checks import check_file
from chainrule.check.function_pairs import find_pairs
from chainrule.check.known_interfaces import ENGINE, FUNCTIONS, ClassInterface, FunctionInterface, class_interface
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.report import CheckResult, Report
from chainrule.check.usual_options import NAMES
from chainrule.check.verification import UNKNOWN_OUTPUT, is_explained, quiet
from chainrule.errors import UnwrittenError, unknown_name
from chainrule.layers import IN_A_ROW
from chainrule.network import losses


@dataclass(frozen=True)
class FileAssignment:
    """Functions and classes to implement, in known interfaces.

    interfaces    interfaces by the name of the forward function or loss (without suffix), or of the class
    max_reply  size in bytes of the largest reply that is accepted from a submission's process
    """

    interfaces: Mapping[str, FunctionInterface | ClassInterface]
    max_reply: int = 1 << 22

    @classmethod
    def of(cls, against: str) -> "FileAssignment | None":
        """Return the assignment for names such as "conv_forward, svm_loss, Linear"; None if any interface is unknown.

        A single name of a layer or loss of this library also returns None, because it is an `Assignment`.
        """
        if against in IN_A_ROW or against.replace("-", "_") in losses.NAMES:
            return None
        interfaces = dict[str, FunctionInterface | ClassInterface]()
        for name in map(str.strip, against.split(",")):
            known_interface = _function_interface(name) or _class_interface(name)
            if known_interface is None:
                return None
            interfaces[known_interface.forward if isinstance(known_interface, FunctionInterface) else name] = (
                known_interface
            )
        return cls(interfaces)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: both functions of each pair, losses, and classes."""
        names = list[str]()
        for key, known_interface in self.interfaces.items():
            if isinstance(known_interface, FunctionInterface):
                names += filter(None, (known_interface.forward, known_interface.backward))
            else:
                names.append(key)
        return tuple(names)

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Pattern that a submission's text must match: the definition of one of the parts."""
        return (re.compile(rf"^(?:def|class)[ \t]+(?:{'|'.join(map(re.escape, self.parts))})", re.M),)

    def part(self, result: CheckResult) -> str | None:
        """Return the part that a result of a report is about; None if there is none."""
        # if the process has ended, a pair has one result for both functions; an engine has results for its operations
        checked_name = result.name.partition(" / ")[0].partition(":")[0]
        plain = checked_name.removesuffix(NAMES["backward_suffixes"][-1])
        for name in self.parts:
            if plain in [f"{name}{suffix}" for suffix in NAMES["forward_suffixes"]]:
                return name
        for key, known_interface in self.interfaces.items():
            if known_interface is _class_interface(checked_name):
                return key
        return None

    def report(
        self, file: CheckedFile, seed: int, name: str | None = None, base: LearnerTask = ANY_LAYER
    ) -> tuple[Report, dict[str, str]]:
        """Return the report of a file, and a sentence for each part that earns no points although it is right.

        name   ignored: the assignment names the functions and classes
        base   names of constants, and the treatment of ties
        """
        if base.contract:
            key = next(iter(self.interfaces))
            report = stated_report(file, base.contract, getattr(self.interfaces[key], "against", key), base, seed)
            return replace(
                report, results=tuple(replace(result, name=key) for result in report.results), brief=True
            ), {}
        contents = file.contents()
        names = set[str]()
        for pair in find_pairs(contents.functions)[0]:
            if pair.interface in self.interfaces.values():
                names.add(pair.forward)
        for name in (*contents.layers, *contents.optimizers, *contents.engines):
            if _class_interface(name) in self.interfaces.values():
                names.add(name)
        with quiet():
            if names:
                report = check_file(file, "homework", seed, base, names)
            else:
                report = None
        if report is None:
            results = ()
        else:
            results = report.results
        wrong = dict[str, str]()
        for known_interface in self.interfaces.values():
            outputs = list[CheckResult]()
            for result in results:
                if self.part(result) == getattr(known_interface, "forward", None):
                    outputs.append(result)
            is_unexplained = bool(outputs) and outputs[0].is_wrong and not is_explained(outputs[0])
            if (
                isinstance(known_interface, FunctionInterface)
                and known_interface.backward is not None
                and is_unexplained
            ):
                wrong[known_interface.backward] = UNKNOWN_OUTPUT
        return Report("homework", (*results, *self._absent(results)), report.notes if report else (), brief=True), wrong

    def _absent(self, results: Sequence[CheckResult]) -> Iterator[CheckResult]:
        """Yield a result for each part that no result is about."""
        present = set(map(self.part, results))
        for part in self.parts:
            if part not in present:
                yield failure_result(part, UnwrittenError(f"{part} is not in the file"))


@dataclass(frozen=True, kw_only=True)
class CourseAssignment(FileAssignment):
    """Classes and functions to implement, under the contracts of a course.

    course  name of the course
    names   usual names of the classes and functions
    """

    course: str
    names: tuple[str, ...]

    @classmethod
    def of_course(cls, name: str, against: str | None) -> "CourseAssignment":
        """Return the assignment of some classes and functions of a course, such as "Linear, ReLU"; None: of all."""
        known = list(dict.fromkeys(entry.names[0] for entry in course(name)))
        if against is None:
            chosen = known
        else:
            chosen = [part.strip() for part in against.split(",")]
        for part in chosen:
            if part not in known:
                raise unknown_name(f"part of the course {name}", part, known)
        return cls({}, course=name, names=tuple(chosen))

    @property
    def parts(self) -> tuple[str, ...]:
        """The usual names of the classes and functions."""
        return self.names

    def part(self, result: CheckResult) -> str | None:
        """Return the part that a result of a report is about; None if there is none."""
        for entry in course(self.course):
            if entry.names[0] in self.names and result.name.lower() in map(str.lower, entry.names):
                return entry.names[0]
        return None

    def report(
        self, file: CheckedFile, seed: int, name: str | None = None, base: LearnerTask = ANY_LAYER
    ) -> tuple[Report, dict[str, str]]:
        """Return the report of a file; the second result is empty. ``name`` is ignored."""
        with quiet():
            report = course_report(file, self.course, base, seed, "homework")
        results = list[CheckResult]()
        for result in report.results:
            if self.part(result):
                results.append(result)
        return replace(report, results=(*results, *self._absent(results))), {}


def _class_interface(name: str) -> ClassInterface | None:
    """Return the interface of a class with this name, or of an engine, or None if it is unknown."""
    return class_interface(name) or (ENGINE if name.lower() in ENGINE.words else None)


def _function_interface(name: str) -> FunctionInterface | None:
    """Return the interface of a forward or backward function (its name may have a suffix), or None if it is unknown."""
    plain = set[str]()
    for suffix in NAMES["forward_suffixes"]:
        plain.add(name.removesuffix(suffix))
    for known_interface in FUNCTIONS:
        if plain & {known_interface.forward, known_interface.backward} - {None}:
            return known_interface
    return None
