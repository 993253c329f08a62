"""Generated homework: each layer in each form and layout. All of it is right; mutants of it are wrong.

Run this file to print the verdicts by form: `python tests/check/corpus.py`.
"""

import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from check.mutants import is_wrong, mutant, pair
from check.programs import file_report, module

from chainrule.check.report import NOT_CHECKED, Report
from chainrule.errors import ChainruleError


@dataclass(frozen=True)
class Kind:
    """A layer of the corpus, as the bodies of two functions of x (N, …), the parameters and dy.

    arguments   constructor arguments with their values
    parameters  names and initial values
    shapes      shapes of x and the parameters, to compare a mutant with the original
    """

    forward: str
    backward: str
    arguments: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ((5, 7),)


LINEAR = (("W", "np.random.randn(n_out, n_in)"), ("b", "np.zeros(n_out)"))
FILTERS = (
    ("W", "np.random.randn(out_channels, in_channels, kernel_size, kernel_size)"),
    ("b", "np.zeros(out_channels)"),
)
SCALES = (("gamma", "np.ones(num_features)"), ("beta", "np.zeros(num_features)"))
WINDOWS = "np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(2, 3))"
NORMAL = "x̂ = (x - x.mean({0}, keepdims=True)) / np.sqrt(x.var({0}, keepdims=True) + 1e-5)".replace("x̂", "n")
KINDS = {
    "Linear": Kind(
        "return x @ W.T + b", "return dy @ W, dy.T @ x, dy.sum(axis=0)", "n_in, n_out", LINEAR, ((5, 7), (4, 7), (4,))
    ),
    "ReLU": Kind("return np.where(x > 0, x, 0)", "return np.where(x > 0, dy, 0)"),
    "Sigmoid": Kind("return 1 / (1 + np.exp(-x))", "y = 1 / (1 + np.exp(-x))\nreturn dy * y * (1 - y)"),
    "Softmax": Kind(
        "e = np.exp(x - x.max(axis=1, keepdims=True))\nreturn e / e.sum(axis=1, keepdims=True)",
        "e = np.exp(x - x.max(axis=1, keepdims=True))\ny = e / e.sum(axis=1, keepdims=True)\n"
        "return y * (dy - (dy * y).sum(axis=1, keepdims=True))",
    ),
    "Conv2d": Kind(
        f'return np.einsum("ncijuv,fcuv->nfij", {WINDOWS}, W) + b[:, None, None]',
        "dx = np.zeros_like(x)\nfor i in range(dy.shape[2]):\n    for j in range(dy.shape[3]):\n"
        "        dx[:, :, i : i + W.shape[2], j : j + W.shape[3]] += np.tensordot(dy[:, :, i, j], W, 1)\n"
        f'return dx, np.einsum("ncijuv,nfij->fcuv", {WINDOWS}, dy), dy.sum(axis=(0, 2, 3))',
        "in_channels, out_channels, kernel_size",
        FILTERS,
        ((2, 3, 6, 7), (4, 3, 3, 2), (4,)),
    ),
    "MaxPool2d": Kind(
        "y = np.zeros((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2), x.dtype)\nfor i in range(y.shape[2]):\n"
        "    for j in range(y.shape[3]):\n"
        "        y[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(2, 3))\nreturn y",
        "dx = np.zeros_like(x)\nfor i in range(dy.shape[2]):\n    for j in range(dy.shape[3]):\n"
        "        part = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]\n"
        "        largest = part == part.max(axis=(2, 3), keepdims=True)\n"
        "        dx[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = largest * dy[:, :, i : i + 1, j : j + 1]\nreturn dx",
        shapes=((2, 3, 5, 6),),
    ),
    "BatchNorm1d": Kind(
        f"{NORMAL.format(0)}\nreturn gamma * n + beta",
        f"{NORMAL.format(0)}\nds = dy * gamma\n"
        "dx = (ds - ds.mean(axis=0) - n * (ds * n).mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)\n"
        "return dx, (dy * n).sum(axis=0), dy.sum(axis=0)",
        "num_features",
        SCALES,
        ((5, 6), (6,), (6,)),
    ),
    "LayerNorm": Kind(
        f"{NORMAL.format(1)}\nreturn gamma * n + beta",
        f"{NORMAL.format(1)}\nds = dy * gamma\nmean = (ds * n).mean(axis=1, keepdims=True)\n"
        "dx = (ds - ds.mean(axis=1, keepdims=True) - n * mean) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)\n"
        "return dx, (dy * n).sum(axis=0), dy.sum(axis=0)",
        "num_features",
        SCALES,
        ((5, 6), (6,), (6,)),
    ),
}
LAYOUTS = {  # text that converts an argument to (N, …), and a result back, by number of axes
    "batch": ("{}", "{}", (2, 4)),
    "one": ("{}[None]", "{}[0]", (2, 4)),
    "columns": ("{}.T", "{}.T", (2,)),
    "channels last": ("{}.transpose(0, 3, 1, 2)", "{}.transpose(0, 2, 3, 1)", (4,)),
    "one, channels last": ("{}.transpose(2, 0, 1)[None]", "{}[0].transpose(1, 2, 0)", (4,)),
}


@dataclass(frozen=True)
class Form:
    """How a class or a pair of functions stores parameters and returns gradients.

    held, given     place of a parameter and of its gradient; {} is the name. "" if the gradients are returned
    names           names of the two methods
    taken           arguments of backward
    returned        what backward returns
    stored          attributes in which results are stored instead of returned; ""
    rate            whether backward updates the parameters
    text            whole text of a form that is not a class with attributes
    module          whether the class is a torch.nn.Module
    inputs          arguments of forward, and the line that stores x for backward
    made            further lines of the constructor
    """

    held: str = "self.{}"
    given: str = "self.d{}"
    names: tuple[str, str] = ("forward", "backward")
    taken: str = "dout"
    returned: str = "dx"
    stored: tuple[str, str] | None = None
    rate: bool = False
    text: str = ""
    module: bool = False
    inputs: tuple[str, str] = (", x", "self.x = x")
    made: str = ""


CACHED = """
def {name}_forward(x{arguments}):
    return {y}, ({values})

def {name}_backward(dout, cache):
    {values} = cache
    {gradients} = {results}
    return {returned}
"""
STATIC = "\nclass {name}:" + CACHED.replace("\n", "\n    ").replace("def {name}_", "@staticmethod\n    def ")
CONTEXT = """
class {name}:
    @staticmethod
    def forward(ctx, x{arguments}):
        ctx.save_for_backward({values})
        return {y}

    @staticmethod
    def backward(ctx, dout):
        {values} = ctx.saved_tensors
        {gradients} = {results}
        return {returned}
"""
FUNCTION = """
import torch

class {name}(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x{arguments}):
        ctx.save_for_backward({values})
        {values} = [value.numpy() for value in ({values})]
        return torch.tensor({y})

    @staticmethod
    def backward(ctx, grad_output):
        dout = grad_output.numpy()
        {values} = [value.numpy() for value in ctx.saved_tensors]
        {gradients} = {results}
        return tuple(map(torch.tensor, [{returned}]))
"""
FORMS = {
    "attributes": Form(),
    "dictionaries": Form("self.params['{}']", "self.grads['d{}']"),
    "val and grad": Form("self.{}['val']", "self.{}['grad']"),
    "a tuple": Form(given="", returned="dx, {}"),
    "dx and a list": Form(given="", returned="dx, [{}]"),
    "a learning rate": Form(given="", rate=True),
    "stored results": Form(stored=("output", "dinputs")),
    "__call__": Form(names=("__call__", "backprop")),
    "unusual names": Form("self._{}", "self._grad_{}_current"),
    "x and y as arguments": Form(names=("fprop", "bprop"), taken="inputs, outputs, dout"),
    "forward_pass": Form(names=("forward_pass", "backward_pass")),
    "forwardprop": Form(names=("forwardprop", "back_propagate")),
    "a cache": Form(text=CACHED),
    "dout last": Form(text=CACHED.replace("dout, cache", "cache, dout")),
    "no dx": Form(text=CACHED.replace("{returned}", "{others}")),
    "static functions": Form(text=STATIC),
    "ctx": Form(text=CONTEXT),
    "autograd.Function": Form(text=FUNCTION),
    "nn.Module": Form(given="self.{}.grad", module=True),
    "a switch": Form(inputs=(", x, keep=False", "self.x = x if keep else None")),
    "x in an attribute": Form(inputs=("", "x = self.x"), made="self.x = None\n"),
    "an optimizer": Form(given="optimizer", made="self.optimizer = None\n"),
}


def indented(text: str, spaces: int) -> str:
    """Return the text with all its lines indented."""
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def source(form_name: str, name: str, layout: str) -> str:
    """Return a file with a layer in a form and a layout."""
    form, kind, (inward, outward, _) = FORMS[form_name], KINDS[name], LAYOUTS[layout]
    names = [parameter for parameter, _ in kind.parameters]
    text = f"import numpy as np\n\ndef _forward({', '.join(['x', *names])}):\n{indented(kind.forward, 4)}\n"
    text += f"def _backward({', '.join(['dy', 'x', *names])}):\n{indented(kind.backward, 4)}\n"
    arguments = ", ".join([inward.format("x"), *(names if form.text else map(form.held.format, names))])
    y = outward.format(f"_forward({arguments})")
    gradients = ", ".join(["dx", *(f"d{parameter}" for parameter in names)])
    results = f"_backward({inward.format('dout')}, {arguments.replace('x', 'x' if form.text else 'self.x', 1)})"
    returned = [outward.format("dx"), *(f"d{parameter}" for parameter in names)]
    if form.text:
        return text + form.text.format(
            name=name,
            arguments="".join(f", {parameter}" for parameter in names),
            values=", ".join(["x", *names]) + ",",
            y=y,
            gradients=gradients,
            results=results,
            returned=", ".join(returned),
            others=", ".join(returned[1:]),
        )
    holders = "self.params, self.grads = {}, {}\n" if "params" in form.held else ""
    holders += "".join(f"self.{one} = {{}}\n" for one in names if "'val'" in form.held)
    made = form.made + holders + "".join(f"{form.held.format(one)} = {value}\n" for one, value in kind.parameters)
    if form.rate:
        kept = "".join(f"{form.held.format(one)} = {form.held.format(one)} - rate * d{one}\n" for one in names)
    else:
        kept = "".join(f"{form.given.format(one)} = d{one}\n" for one in names if form.given)
    if form.given == "optimizer":
        kept = f"self.optimizer.update(self, {{{', '.join(f'{one!r}: d{one}' for one in names)}}})\n"
    last = form.returned.replace("dx", returned[0], 1).format(", ".join(returned[1:]))
    forward, backward = (f"return {y}", f"return {last}")
    if form.stored:
        forward, backward = f"self.{form.stored[0]} = {y}", f"self.{form.stored[1]} = {last}"
    rate, base = ", rate" if form.rate else "", ""
    if form.module:
        base, holders = "(torch.nn.Module)", "super().__init__()\n"
        made = holders + "".join(
            f"self.{one} = torch.nn.Parameter(torch.tensor({value}))\n" for one, value in kind.parameters
        )
        kept = "".join(f"self.{one}.grad = torch.tensor(d{one})\n" for one in names)
        y, results = (re.sub(r"self\.\w+", r"\g<0>.numpy()", call) for call in (y, results))
        y = f"torch.tensor({y.replace(inward.format('x'), inward.format('x.numpy()'))})"
        forward, backward = f"return {y}", f"return torch.tensor({last})"
        results = results.replace("dout", "dout.numpy()")
        text = f"import torch\n{text}"
    arguments = f", {kind.arguments}" * bool(kind.arguments)
    text += f"class {name}{base}:\n    def __init__(self{arguments}):\n{indented(made or 'pass', 8)}\n"
    x = f"{form.inputs[1]}\n        " * ("inputs" not in form.taken)
    text += f"    def {form.names[0]}(self{form.inputs[0]}):\n        {x}{forward}\n\n"
    results = results if x else results.replace("self.x", "inputs")
    text += f"    def {form.names[1]}(self, {form.taken}{rate}):\n        {gradients} = {results}\n"
    return text + indented(kept + backward, 8)


def cases() -> Iterator[tuple[str, str, str]]:
    """Yield the form, layer and layout of each file."""
    for form, name, layout in product(FORMS, KINDS, LAYOUTS):
        axes = len(KINDS[name].shapes[0])
        if axes not in LAYOUTS[layout][2] or (name == "BatchNorm1d" and layout == "one"):
            continue
        if FORMS[form].text and layout not in ("batch", "channels last")[: 1 + bool(KINDS[name].parameters)]:
            continue
        if form in ("a tuple", "dx and a list", "dictionaries", "val and grad", "no dx") and not KINDS[name].parameters:
            continue
        yield form, name, layout


def checked(text: str) -> Report:
    """Return the report of a generated file."""
    code = module(text)
    return file_report(code, *[name for name, value in vars(code).items() if isinstance(value, type)])


def wrong_mutant(text: str, form: str, name: str, seed: int) -> str:
    """Return a changed file whose results, without dx if the form does not return it, differ from the original's."""
    x, *parameters = KINDS[name].shapes
    shapes = (1 if "[None]" in text else x[0], *x[1:]), *parameters  # single samples are batches of 1
    use = pair("_forward", "_backward", shapes)

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        results = use(code, generator)
        if form == "no dx":
            del results[2 + len(shapes)]
        return results

    drawn = (mutant(text, ("_forward", "_backward"), number) for number in count(seed, 100))
    return next(changed for changed in drawn if is_wrong(module(text), module(changed), run))


def verdicts(text: str) -> set[str]:
    """Return the verdicts on the results of a generated file, or the error if it cannot be used."""
    try:
        return {row.verdict for row in checked(text).rows}
    except ChainruleError as error:
        return {str(error)}


def main() -> None:
    """Print the number of files by form and verdict, and of mutants that pass. Arguments select forms."""
    warnings.simplefilter("ignore")
    print("| form | files | right | not checked | WRONG or FAILS | mutants that pass |\n" + "| --- " * 6 + "|")
    for form in [form for form in FORMS if form in sys.argv[1:]] or FORMS:
        texts = [(source(*case), case[1]) for case in cases() if case[0] == form]
        judged = [verdicts(text) for text, _ in texts]
        wrong, unchecked = (sum(bool(part & words) for part in judged) for words in ({"WRONG", "FAILS"}, {NOT_CHECKED}))
        passing = sum(
            verdicts(wrong_mutant(text, form, name, number)) == judged[number]
            for number, (text, name) in enumerate(texts)
        )
        counts = len(texts), len(texts) - wrong - unchecked, unchecked, wrong, passing
        print(f"| {form} | {' | '.join(map(str, counts))} |", flush=True)


if __name__ == "__main__":
    main()
