"""Homework of several functions and classes in one file, in the forms in which courses set them; each is a part."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.check.files import CheckedFile, check_file
from chainrule.check.forms import ALTERNATIVES, FUNCTIONS, VARIANTS, ClassForm, FunctionForm, class_form, pairs_in
from chainrule.check.report import Report, Row
from chainrule.layers import IN_A_ROW
from chainrule.training import losses

UNKNOWN_OUTPUT = "gradients count only if the output is right, or wrong by a known mistake."


@dataclass(frozen=True)
class FileAssignment:
    """A homework task: functions and classes of known forms.

    forms  by name: that of the forward function or of the loss without suffix, or of the class
    reply  largest number of bytes in a reply: forms have small inputs
    """

    forms: Mapping[str, FunctionForm | ClassForm]
    reply: int = 1 << 22

    @classmethod
    def of(cls, against: str) -> "FileAssignment | None":
        """Return the task of names such as "conv_forward, svm_loss, Linear"; None if one of them is no form.

        A single name that is a layer or a loss of this library means that one.
        """
        if against in IN_A_ROW or against.replace("-", "_") in losses.NAMES:
            return None
        forms = dict[str, FunctionForm | ClassForm]()
        for name in map(str.strip, against.split(",")):
            found = _function_form(name) or class_form(name)
            if found is None:
                return None
            forms[found.forward if isinstance(found, FunctionForm) else name] = found
        return cls(forms)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: of both functions of a pair, of a loss, or of a class."""
        return tuple(
            name
            for key, form in self.forms.items()
            for name in ((form.forward, form.backward) if isinstance(form, FunctionForm) else (key,))
            if name
        )

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Pattern of the definition of one of the parts, in the text of a submission."""
        return (re.compile(rf"^(?:def|class)[ \t]+(?:{'|'.join(map(re.escape, self.parts))})", re.M),)

    def part(self, row: Row) -> str:
        """Return the part that a row of a report belongs to."""
        subject = row.subject.partition(" / ")[0]  # of a pair whose process has ended
        plain = subject.removesuffix(ALTERNATIVES[-1])
        named = [name for name in self.parts if plain in [f"{name}{suffix}" for suffix in VARIANTS]]
        return (named or [key for key, form in self.forms.items() if form is class_form(subject)] or [""])[0]

    def report(self, file: CheckedFile, seed: int) -> tuple[Report, dict[str, str]]:
        """Return the report of a submission, and a sentence for each part that does not count whatever it says."""
        layers, functions = file.contents()
        names = {pair.forward for pair in pairs_in(functions)[0] if pair.form in self.forms.values()}
        names |= {name for name in layers if class_form(name) in self.forms.values()}
        report = check_file(file, "homework", seed, names=names) if names else None
        found = Report("homework", ()) if report is None else report
        there = {self.part(row) for row in found.rows}
        wrong = {name: f"{name} is not in the file, or was not reached." for name in self.parts if name not in there}
        for form in self.forms.values():
            outputs = [row for row in found.rows if self.part(row) == getattr(form, "forward", None)]
            if isinstance(form, FunctionForm) and outputs and outputs[0].is_wrong and not outputs[0].diagnoses:
                wrong[form.backward] = UNKNOWN_OUTPUT
        return found, wrong


def _function_form(name: str) -> FunctionForm | None:
    """Return the form of a function by its name, forward or backward, with or without a suffix."""
    plain = {name.removesuffix(suffix) for suffix in VARIANTS}
    return next((form for form in FUNCTIONS if plain & {form.forward, form.backward} - {""}), None)
