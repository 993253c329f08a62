"""The optimizers' updates, explained. Equations: reference/updates.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

from chainrule.engines import Array
from chainrule.explain.cells import UPDATE, Cell, Index, named
from chainrule.explain.notation import letters
from chainrule.explain.numbers import bracketed, powered, shown
from chainrule.explain.record import Made, Step
from chainrule.explain.stepping import CLIPPING, Update
from chainrule.plan import gradient_name


@dataclass(frozen=True)
class Entry:
    """One parameter's number: its value, gradient (as it came) and moments before the step, and its new value."""

    letter: str
    value: float
    gradient: float
    moments: Mapping[str, float]
    after: float

    @property
    def change(self) -> float:
        """What the step adds."""
        return self.after - self.value


def explain(arrays: Mapping[str, Array], update: Update, cell: Cell) -> Made:
    """How a parameter moved."""
    parameter = cell.tensor.removesuffix(UPDATE)
    names = update.training.optimizer.moments
    moments = {name: float(arrays[f"{parameter}.{name}"][cell.index]) for name in names}
    gradient = gradient_name(parameter)
    entry = Entry(
        parameter.rpartition(".")[2],
        float(arrays[parameter][cell.index]),
        float(arrays[gradient][cell.index]),
        moments,
        float(arrays[cell.tensor][cell.index]),
    )
    write, formula, words = RULES[update.training.optimizer.operation]
    steps = (*_gradient_steps(entry, update), *write(entry, update))
    cells = (parameter, gradient, *(f"{parameter}.{name}" for name in names))
    sources = tuple(named(name, cell.index) for name in cells)
    return Made(_words(entry, words), *_equations(entry, update, formula, cell.index), steps=steps, sources=sources)


# -------------------------------------------------------------------------------------------------- the rules


def _sgd(entry: Entry, update: Update) -> tuple[Step, ...]:
    name, slope, steps = _slope(entry, update)
    return (*steps, _last(entry, f"rate · {name}", f"{bracketed(update.rate)}·{bracketed(slope)}"))


def _momentum(entry: Entry, update: Update) -> tuple[Step, ...]:
    mu, nesterov = update.attributes["momentum"], update.attributes["nesterov"]
    g, slope, before = _slope(entry, update)
    v = mu * entry.moments["v"] + slope
    numbers = f"{bracketed(mu)}·{bracketed(entry.moments['v'])} + {bracketed(slope)}"
    steps = [*before, Step("v′", f"μ·v + {g}", numbers, v)]
    direction, name = v, "v′"
    if nesterov:
        direction, name = slope + mu * v, "a"
        steps.append(Step("a", f"{g} + μ·v′", f"{bracketed(slope)} + {bracketed(mu)}·{bracketed(v)}", direction))
    return (*steps, _last(entry, f"rate · {name}", f"{bracketed(update.rate)}·{bracketed(direction)}"))


def _rmsprop(entry: Entry, update: Update) -> tuple[Step, ...]:
    given, rate = update.attributes, update.rate
    alpha, epsilon, mu = given["alpha"], given["epsilon"], given["momentum"]
    g, slope, before = _slope(entry, update)
    v = alpha * entry.moments["v"] + (1 - alpha) * slope * slope
    ratio = slope / (sqrt(v) + epsilon)
    u = mu * entry.moments["u"] + ratio
    share = bracketed(alpha)
    steps = [
        *before,
        Step(
            "v′",
            f"α·v + (1 − α)·{g}^{{2}}",
            f"{share}·{bracketed(entry.moments['v'])} + (1 − {share})·{powered(slope, '2')}",
            v,
        ),
        Step("q", f"{g} / (√(v′) + ε)", f"{bracketed(slope)} / (√({bracketed(v)}) + {bracketed(epsilon)})", ratio),
    ]
    if not mu:
        return (*steps, _last(entry, "rate · q", f"{bracketed(rate)}·{bracketed(ratio)}"))
    numbers = f"{bracketed(mu)}·{bracketed(entry.moments['u'])} + {bracketed(ratio)}"
    return (
        *steps,
        Step("u′", "μ·u + q", numbers, u),
        _last(entry, "rate · u′", f"{bracketed(rate)}·{bracketed(u)}"),
    )


def _own(entry: Entry, update: Update) -> tuple[Step, ...]:
    change = -entry.change
    return (_last(entry, "Δ", bracketed(change)),)


def _adam(entry: Entry, update: Update) -> tuple[Step, ...]:
    given, rate = update.attributes, update.rate
    beta1, beta2, t, epsilon = given["beta1"], given["beta2"], given["step"], given["epsilon"]
    g = _clipped(entry, update)
    m = beta1 * entry.moments["m"] + (1 - beta1) * g
    v = beta2 * entry.moments["v"] + (1 - beta2) * g * g
    mean, square = m / (1 - beta1**t), v / (1 - beta2**t)
    delta = rate * mean / (sqrt(square) + epsilon)
    one, two = bracketed(beta1), bracketed(beta2)
    steps = [
        Step("m′", "β₁·m + (1 − β₁)·g", f"{one}·{bracketed(entry.moments['m'])} + (1 − {one})·{bracketed(g)}", m),
        Step(
            "v′",
            "β₂·v + (1 − β₂)·g^{2}",
            f"{two}·{bracketed(entry.moments['v'])} + (1 − {two})·{powered(g, '2')}",
            v,
        ),
        Step("m̂", "m′ / (1 − β₁^{t})", f"{bracketed(m)} / (1 − {one}^{{{t}}})", mean),
        Step("v̂", "v′ / (1 − β₂^{t})", f"{bracketed(v)} / (1 − {two}^{{{t}}})", square),
        Step(
            "Δ",
            "rate · m̂ / (√(v̂) + ε)",
            f"{bracketed(rate)}·{bracketed(mean)} / (√({bracketed(square)}) + {bracketed(epsilon)})",
            delta,
        ),
    ]
    p, decay = entry.letter, given["decay"]
    if not decay:
        return (*steps, _last(entry, "Δ", bracketed(delta)))
    shrunk = (1 - rate * decay) * entry.value
    numbers = f"(1 − {bracketed(rate)}·{bracketed(decay)})·{bracketed(entry.value)}"
    steps.append(Step("q", f"(1 − rate·λ)·{p}", numbers, shrunk))
    return (*steps, Step(f"{p}′", "q − Δ", f"{bracketed(shrunk)} − {bracketed(delta)}", entry.after))


Writer = Callable[[Entry, Update], tuple[Step, ...]]
ADAM_WORDS = (
    "Adam steps by the running mean of the gradient over the root of its running square: about the rate where the "
    "gradients of many steps agree, however small they are, and less where they do not."
)
RMSPROP_WORDS = (
    "RMSProp divides the gradient by the root of its running square: steps are about as long where gradients are small "
    "as where they are large."
)
RULES: dict[str, tuple[Writer, str, str]] = {
    "sgd_update": (_sgd, "rate · g", "The step is the gradient times the rate."),
    "momentum_update": (
        _momentum,
        "rate · v′",
        "The step goes along a velocity, in which the gradients of the steps before still count.",
    ),
    "rmsprop_update": (_rmsprop, "rate · u′", RMSPROP_WORDS),
    "own_update": (_own, "Δ", "The step is that of somebody's own optimizer, whose code is not looked into."),
    "adam_update": (_adam, "rate · m̂ / (√(v̂) + ε)", ADAM_WORDS),
}


# -------------------------------------------------------------------------------------------------- parts


def _clipped(entry: Entry, update: Update) -> float:
    """The gradient as the update reads it."""
    return entry.gradient * update.scale


def _slope(entry: Entry, update: Update) -> tuple[str, float, tuple[Step, ...]]:
    """Letter and value of the gradient, that of the decay added where there is one, and the step that adds it."""
    g, decay = _clipped(entry, update), update.attributes.get("decay")
    if not decay:
        return "g", g, ()
    h = g + decay * entry.value
    numbers = f"{bracketed(g)} + {bracketed(decay)}·{bracketed(entry.value)}"
    return "h", h, (Step("h", f"g + λ·{entry.letter}", numbers, h),)


def _gradient_steps(entry: Entry, update: Update) -> tuple[Step, ...]:
    """g, after clipping where the whole gradient was too long."""
    d = f"d{entry.letter}"
    if update.scale == 1:
        return (Step("g", d, shown(entry.gradient), entry.gradient),)
    clip = update.training.clip_norm or 0.0
    norms = f"{bracketed(clip)} / ({bracketed(update.norm)} + {bracketed(CLIPPING)})"
    return (
        Step("κ", "clip / (‖g‖ + 10^{−6})", norms, update.scale),
        Step("g", f"κ·{d}", f"{bracketed(update.scale)}·{bracketed(entry.gradient)}", _clipped(entry, update)),
    )


def _last(entry: Entry, symbols: str, numbers: str) -> Step:
    p = entry.letter
    return Step(f"{p}′", f"{p} − {symbols}", f"{bracketed(entry.value)} − {numbers}", entry.after)


def _equations(entry: Entry, update: Update, formula: str, index: Index) -> tuple[str, str]:
    """p′ = p − …, in letters and for this entry."""
    given, operation = update.attributes, update.training.optimizer.operation
    nesterov, decay, adam = given.get("nesterov"), given.get("decay"), operation == "adam_update"
    formula = "rate · (g + μ·v′)" if nesterov else formula
    if operation == "rmsprop_update" and not given["momentum"]:
        formula = "rate · q"
    if decay and not adam:
        formula = formula.replace("g", "h")
    shrink = "(1 − rate·λ)·" if decay and adam else ""
    p = entry.letter
    texts = (",".join(letters(len(index))), ",".join(map(str, index)))
    written = [f"{p}′[{text}] = {shrink}{p}[{text}] − {formula}" for text in texts]
    return written[0], written[1]


def _words(entry: Entry, rule: str) -> str:
    if entry.change == 0:
        return f"It stays as it is: nothing moves it in this step. {rule}"
    way = "falls" if entry.change < 0 else "rises"
    by = shown(abs(entry.change))
    if entry.gradient == 0:
        return f"It {way} by {by} although its gradient is 0: what the optimizer remembers moves it. {rule}"
    more = "raise" if entry.gradient > 0 else "lower"
    words = f"The gradient, {shown(entry.gradient)}, says that more of it would {more} the loss"
    if (entry.gradient > 0) == (entry.change < 0):
        return f"{words}, so it {way}, by {by}. {rule}"
    return f"{words}; but it {way}, by {by}: what the optimizer remembers of other steps is stronger. {rule}"
