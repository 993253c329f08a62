"""Generated homework: each layer in each form and layout. All of it is right; mutants of it are wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, product
from textwrap import indent
from types import ModuleType
from typing import Any

import numpy as np
from check.mutants import is_wrong, pair
from check.programs import file_report, module
from mutation.changes import mutant

from chainrule.check.report import Report
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


CLASS = """
class {name}{form.base}:
    def __init__(self{options}):
        {made}

    def {form.names[0]}(self{form.inputs}):
        {form.saved}
        {y}

    def {form.names[1]}(self, {form.taken}):
        {gradients} = {results}
        {given}
"""
CACHED = """
def {name}_forward(x{arguments}):
    {y}, ({values})

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
        {y}

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
        {y}

    @staticmethod
    def backward(ctx, grad_output):
        dout = grad_output.numpy()
        {values} = [value.numpy() for value in ctx.saved_tensors]
        {gradients} = {results}
        return tuple(map(torch.tensor, [{returned}]))
"""


@dataclass(frozen=True)
class Form:
    """How a class or a pair of functions stores parameters and returns gradients. {0} is a name or a result.

    held      place of a parameter; {1} in `made` is its first value
    given     line that stores a gradient
    first     first line of the constructor
    inputs    arguments of forward, and saved: the line that stores x for backward
    taken     arguments of backward, and x and dy: where it finds them
    returned  what backward returns: {0} is dx, {1} the other gradients
    results   last lines of forward and backward; {1} is a dictionary of gradients
    """

    held: str = "self.{}"
    made: str = "self.{} = {}"
    given: str = "self.d{0} = d{0}"
    names: tuple[str, str] = ("forward", "backward")
    first: str = ""
    inputs: str = ", x"
    saved: str = "self.x = x"
    taken: str = "dout"
    x: str = "self.x"
    dy: str = "dout"
    returned: str = "{0}"
    results: tuple[str, str] = ("return {0}", "return {0}")
    base: str = ""
    text: str = CLASS


def functions(text: str, y: str = "return {0}") -> Form:
    """Return a form without attributes."""
    return Form("{}", x="x", results=(y, ""), text=text)


FORMS = {
    "attributes": Form(),
    "dictionaries": Form(
        "self.params['{}']",
        "self.params['{}'] = {}",
        "self.grads['d{0}'] = d{0}",
        first="self.params, self.grads = {}, {}",
    ),
    "val and grad": Form("self.{}['val']", "self.{} = dict(val={})", "self.{0}['grad'] = d{0}"),
    "a tuple": Form(given="", returned="{0}, {1}"),
    "dx and a list": Form(given="", returned="{0}, [{1}]"),
    "a learning rate": Form(given="self.{0} = self.{0} - rate * d{0}", taken="dout, rate"),
    "stored results": Form(results=("self.output = {0}", "self.dinputs = {0}")),
    "__call__": Form(names=("__call__", "backprop")),
    "unusual names": Form("self._{}", "self._{} = {}", "self._grad_{0}_current = d{0}"),
    "x and y as arguments": Form(names=("fprop", "bprop"), saved="pass", taken="inputs, outputs, dout", x="inputs"),
    "forward_pass": Form(names=("forward_pass", "backward_pass")),
    "forwardprop": Form(names=("forwardprop", "back_propagate")),
    "a cache": functions(CACHED),
    "dout last": functions(CACHED.replace("dout, cache", "cache, dout")),
    "no dx": functions(CACHED.replace("{returned}", "{others}")),
    "static functions": functions(STATIC),
    "ctx": functions(CONTEXT),
    "autograd.Function": functions(FUNCTION, "return torch.tensor({0})"),
    "nn.Module": Form(
        "self.{}.numpy()",
        "self.{} = torch.nn.Parameter(torch.tensor({}))",
        "self.{0}.grad = torch.tensor(d{0})",
        first="super().__init__()",
        saved="self.x = x = x.numpy()",
        dy="dout.numpy()",
        results=("return torch.tensor({0})",) * 2,
        base="(torch.nn.Module)",
        text=f"\nimport torch\n{CLASS}",
    ),
    "a switch": Form(inputs=", x, keep=False", saved="self.x = x if keep else None"),
    "x in an attribute": Form(first="self.x = None", inputs="", saved="x = self.x"),
    "an optimizer": Form(
        given="",
        first="self.optimizer = None",
        results=("return {0}", "self.optimizer.update(self, {1})\n        return {0}"),
    ),
}


def source(form_name: str, name: str, layout: str) -> str:
    """Return a file with a layer in a form and a layout."""
    form, kind, (inward, outward, _) = FORMS[form_name], KINDS[name], LAYOUTS[layout]
    names = [parameter for parameter, _ in kind.parameters]
    held = [form.held.format(parameter) for parameter in names]
    gradients = [f"d{parameter}" for parameter in names]
    dx, named = outward.format("dx"), ", ".join(f"{parameter!r}: d{parameter}" for parameter in names)
    last = form.results[1].format(form.returned.format(dx, ", ".join(gradients)), f"{{{named}}}")
    made = [form.first, *(form.made.format(*parameter) for parameter in kind.parameters)]
    text = f"import numpy as np\n\ndef _forward({', '.join(['x', *names])}):\n{indent(kind.forward, '    ')}\n\n"
    text += f"def _backward({', '.join(['dy', 'x', *names])}):\n{indent(kind.backward, '    ')}\n"
    return text + form.text.format(
        form=form,
        name=name,
        options=f", {kind.arguments}" * bool(kind.arguments),
        arguments="".join(f", {parameter}" for parameter in names),
        values=", ".join(["x", *names]) + ",",
        made="\n        ".join(filter(None, made)) or "pass",
        y=form.results[0].format(outward.format(f"_forward({', '.join([inward.format('x'), *held])})")),
        gradients=", ".join(["dx", *gradients]),
        results=f"_backward({', '.join([inward.format(form.dy), inward.format(form.x), *held])})",
        given="\n        ".join([*filter(None, map(form.given.format, names)), last]),
        returned=", ".join([dx, *gradients]),
        others=", ".join(gradients),
    )


def cases() -> Iterator[tuple[str, str, str]]:
    """Yield the form, layer and layout of each file."""
    for form, name, layout in product(FORMS, KINDS, LAYOUTS):
        axes = len(KINDS[name].shapes[0])
        if axes not in LAYOUTS[layout][2] or (name == "BatchNorm1d" and layout == "one"):
            continue
        if FORMS[form].held == "{}" and layout not in ("batch", "channels last")[: 1 + bool(KINDS[name].parameters)]:
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
        return {result.verdict for result in checked(text).results}
    except ChainruleError as error:
        return {str(error)}
