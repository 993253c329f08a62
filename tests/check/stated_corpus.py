"""Contracts of the generated files in `corpus`: one text for each form and layout, written from the form alone."""

from typing import NamedTuple

# class → intended layer, shapes of one input, the parameters' names in the code and in this library, and its arguments
LAYERS: dict[str, tuple[str, list[tuple[int, ...]], dict[str, str], str]] = {
    "Linear": ("Dense(4)", [(7,)], {"W": "w", "b": "b"}, "D, O"),
    "ReLU": ("ReLU()", [(7,), (3, 5, 6)], {}, ""),
    "Sigmoid": ("Sigmoid()", [(7,)], {}, ""),
    "Softmax": ("Softmax()", [(7,)], {}, ""),
    "Conv2d": ("Conv2D(4, 3)", [(3, 6, 7)], {"W": "w", "b": "b"}, "C, O, K"),
    "MaxPool2d": ("MaxPool2D(2)", [(3, 6, 8)], {}, ""),
    "BatchNorm1d": ("BatchNorm2D()", [(6,)], {"gamma": "gamma", "beta": "beta"}, "D"),
    "LayerNorm": ("LayerNorm()", [(6,)], {"gamma": "gamma", "beta": "beta"}, "D"),
}


class Form(NamedTuple):
    """The lines of a form. {kind} is the class, {P} and {p} are a parameter in the code and in this library."""

    make: str = "self = {kind}({sizes})"
    put: str = "self.{P} = {p}"
    forward: str = "y = forward(x)"
    backward: str = "dx = backward(dy)"
    gradient: str = "d{p} = self.d{P}"


def functions(forward: str, backward: str) -> Form:
    return Form("", "", forward, backward, "")


FORMS = {
    "attributes": Form(),
    "dictionaries": Form(put='self.params["{P}"] = {p}', gradient='d{p} = self.grads["d{P}"]'),
    "val and grad": Form(put='self.{P}["val"] = {p}', gradient='d{p} = self.{P}["grad"]'),
    "a tuple": Form(backward="dx, {dall} = backward(dy)", gradient=""),
    "dx and a list": Form(backward="dx, ({dall},) = backward(dy)", gradient=""),
    "a learning rate": Form(backward="dx = backward(dy, 0.5)", gradient="d{p} = ({p} - self.{P}) / 0.5"),
    "stored results": Form(forward="self.forward(x)\ny = self.output", backward="self.backward(dy)\ndx = self.dinputs"),
    "__call__": Form(forward="y = self(x)", backward="dx = backprop(dy)"),
    "unusual names": Form(put="self._{P} = {p}", gradient="d{p} = self._grad_{P}_current"),
    "x and y as arguments": Form(forward="y = fprop(x)", backward="dx = bprop(x, y, dy)"),
    "forward_pass": Form(forward="y = forward_pass(x)", backward="dx = backward_pass(dy)"),
    "forwardprop": Form(forward="y = forwardprop(x)", backward="dx = back_propagate(dy)"),
    "a cache": functions("y, cache = {kind}_forward(x{call})", "{results} = {kind}_backward(dy, cache)"),
    "dout last": functions("y, cache = {kind}_forward(x{call})", "{results} = {kind}_backward(cache, dy)"),
    "static functions": functions("y, cache = {kind}.forward(x{call})", "{results} = {kind}.backward(dy, cache)"),
    "ctx": functions("ctx = Context()\ny = {kind}.forward(ctx, x{call})", "{results} = {kind}.backward(ctx, dy)"),
    "a switch": Form(forward="y = self.forward(x, keep=True)"),
    "x in an attribute": Form(forward="self.x = x\ny = self.forward()"),
    "an optimizer": Form(
        put="self.{P} = {p}\nself.optimizer = Recorder()", gradient='d{p} = self.optimizer.grads["{P}"]'
    ),
}
LAYOUTS = {  # axes of vectors and of images
    "batch": ("", ""),
    "one": ("x: D", "x: C,H,W"),
    "columns": ("x: D,N", ""),
    "channels last": ("", "x: N,H,W,C"),
    "one, channels last": ("", "x: H,W,C"),
}


def contract(form_name: str, name: str, layout: str) -> tuple[str, str, tuple[int, ...]]:
    """Return the contract of a generated file, the intended layer, and the shape of one input."""
    expression, shapes, names, sizes = LAYERS[name]
    is_image = len(shapes[-1]) == 3 and layout != "columns"
    shape = shapes[-1] if is_image else shapes[0]
    form, gradients = FORMS[form_name], ", ".join(f"d{p}" for p in names.values())
    call = "".join(f", {p}" for p in names.values())
    fill = {"kind": name, "sizes": sizes, "dall": gradients, "call": call}
    fill["results"] = ", ".join(["dx", *(f"d{p}" for p in names.values())])
    lines = [LAYOUTS[layout][is_image], form.make.format(**fill)]
    lines += [form.put.format(P=P, p=p, **fill) for P, p in names.items()]
    if form_name == "an optimizer" and not names:
        lines.append("self.optimizer = Recorder()")
    lines += [form.forward.format(**fill), form.backward.format(**fill)]
    lines += [form.gradient.format(P=P, p=p, **fill) for P, p in names.items()]
    return "\n".join(line for line in lines if line), expression, shape
