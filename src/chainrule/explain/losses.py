"""Explanations of the losses and their gradients. Equations: reference/losses.py."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from chainrule.engines.protocol import Array
from chainrule.explain.cells import CellContext
from chainrule.explain.formulas import chain, in_letters, in_numbers
from chainrule.explain.notation import Index, at
from chainrule.explain.record import CalculationStep, Derivation, Factor, Jacobian, JacobianRow, Scale, Term
from chainrule.operations import definitions

EPSILON = float(np.finfo(np.float64).eps)
OF_ENTRY = ("p", "t", "p̂")  # letters that carry an index


def half_squared_error(ctx: CellContext) -> Derivation:
    """Explain loss = 1/2 · Σ_k (p[k] − t[k])²."""
    return _squared(ctx, Scale("1/2", 0.5))


def mean_squared_error(ctx: CellContext) -> Derivation:
    """Explain loss = 1/K · Σ_k (p[k] − t[k])²."""
    outputs = ctx.array(0).shape[1]
    return _squared(ctx, Scale(f"1/{outputs}", 1 / outputs))


def mean_absolute_error(ctx: CellContext) -> Derivation:
    """Explain 1/K · Σ_k abs(p[k] − t[k])."""
    return _mean_of(ctx, "abs", abs)


def huber(ctx: CellContext) -> Derivation:
    """Explain 1/K · Σ_k h(p[k] − t[k]), where h(d) = d²/2 for |d| ≤ 1, and |d| − 1/2 beyond."""
    return _mean_of(ctx, "h", lambda d: d * d / 2 if abs(d) <= 1 else abs(d) - 0.5)


def binary_cross_entropy(ctx: CellContext) -> Derivation:
    """Explain loss = −1/K · Σ_k t[k]·log p̂[k] + (1 − t[k])·log(1 − p̂[k])."""
    p, t = _rows(ctx)
    terms: list[Term] = []
    for k, q in enumerate(np.clip(p, EPSILON, 1 - EPSILON)):
        target = ctx.factor(1, (ctx.sample, k))
        yes, no = float(np.log(q)), float(np.log(1 - q))
        terms.append(Term.of(target, Factor(f"log(p̂[{k}])", None, yes)))
        terms.append(Term.of(Factor(f"(1 − t[{k}])", None, 1 - float(t[k])), Factor(f"log(1 − p̂[{k}])", None, no)))
    written: list[str] = []
    for size, n in (("K", "n"), (str(len(p)), ctx.sample)):
        target, answer = _at(ctx, "t", "k", n), _at(ctx, "p̂", "k", n)
        sum_of = f"{target}·log({answer}) + (1 − {target})·log(1 − {answer})"
        written.append(f"{ctx.bracket('loss', sample=n)} = −1/{size} · Σ_{{k}} ({sum_of})")
    return Derivation(
        ctx.sentences(),
        written[0],
        written[1],
        tuple(terms),
        Scale(f"−1/{len(p)}", -1 / len(p)),
        sources=_cells(ctx, 0),
    )


def categorical_cross_entropy(ctx: CellContext) -> Derivation:
    """Explain loss = −Σ_k t[k]·log p̂[k]."""
    p, _ = _rows(ctx)
    logs = np.log(np.clip(p, EPSILON, 1))
    terms = tuple(
        Term.of(ctx.factor(1, (ctx.sample, k)), Factor(f"log(p̂[{k}])", None, float(log))) for k, log in enumerate(logs)
    )
    written = [
        f"{ctx.bracket('loss', sample=n)} = −Σ_{{k}} {_at(ctx, 't', 'k', n)}·log({_at(ctx, 'p̂', 'k', n)})"
        for n in ("n", ctx.sample)
    ]
    return Derivation(ctx.sentences(), written[0], written[1], terms, Scale("−1", -1.0), sources=_cells(ctx, 0))


def softmax_cross_entropy(ctx: CellContext) -> Derivation:
    """Explain loss = Σ_k t[k]·(lse − z[k]), where lse = log Σ_k e^{z[k]}."""
    z, t = _rows(ctx)
    m, powers = _powers(z)
    total, right = sum(powers), _one_hot(t)
    logarithm = float(np.log(total))
    steps = (
        *_sum_steps(ctx, z, m, powers),
        ctx.calculation("lse", "m + log(S)", "{} + log({})", (m, total), m + logarithm),
    )
    if right is None:
        parts = [float(target * (logarithm + m - score)) for target, score in zip(t, z, strict=True)]
        steps += (ctx.listed("loss", "Σ_{k} t[k]·(lse − z[k])", parts, " + ", ctx.value),)
    else:
        operands, symbols = (total, m, float(z[right])), f"log(S) + (m − z[{right}])"
        steps += (ctx.calculation("loss", symbols, "log({}) + ({} − {})", operands, ctx.value),)
    written = [
        f"{ctx.bracket('loss', sample=n)} = Σ_{{k}} {_at(ctx, 't', 'k', n)} · (lse − {_at(ctx, 'z', 'k', n)})"
        for n in ("n", ctx.sample)
    ]
    probability = "" if right is None else ctx.number(powers[right] / total, 1.0)
    words = ctx.sentences(one_class=right is not None, probability=probability)
    return Derivation(words, written[0], written[1], steps=steps, sources=(*_cells(ctx, 0), *_cells(ctx, 1)))


def gradient(ctx: CellContext) -> Derivation:
    """Explain a gradient that is calculated with formulas in p[k] and t[k]."""
    n, k = ctx.sample, ctx.own_index[0]
    p, t = _entries(ctx)
    values = {"p": p, "t": t, "K": float(ctx.array(0).shape[1]), "N": float(ctx.samples), "ε": EPSILON}
    formulas = definitions.entries()[ctx.operation.name]["steps"]
    facts = {"batch": ctx.samples > 1}
    names = {letter: f"{letter}[k]" for letter in OF_ENTRY}
    steps = chain(formulas, values, facts, names, digits=ctx.digits, result_of_last=ctx.value)
    steps[-1] = replace(steps[-1], name=f"dp[{k}]")
    last = [formula for formula in formulas if definitions.holds(formula, facts)][-1]
    letters = {letter: ctx.bracket(letter, "k") for letter in OF_ENTRY}
    own = {letter: ctx.bracket(letter, k, sample=n) for letter in OF_ENTRY}
    symbols = f"{ctx.bracket('dp', 'k')} = {in_letters(last, letters)}"
    here = f"{ctx.bracket('dp', k, sample=n)} = {in_numbers(last, values, own, ctx.digits)}"
    return Derivation(
        ctx.sentences(), symbols, here, steps=tuple(steps), sources=(ctx.cell(0, (n, k)), ctx.cell(1, (n, k)))
    )


def softmax_cross_entropy_dp(ctx: CellContext) -> Derivation:
    """Explain dz[j] = (ŷ[j] · Σ_k t[k] − t[j]) / N, or ŷ[j] − t[j] for one sample and a one-hot target."""
    z, t = _rows(ctx)
    n, j = ctx.sample, ctx.own_index[0]
    m, powers = _powers(z)
    y = [power / sum(powers) for power in powers]
    whole, total = _one_hot(t) is not None, float(t.sum())
    difference = "ŷ[j] − t[j]" if whole else "ŷ[j]·T − t[j]"
    template, operands = ("{} − {}", (y[j], float(t[j]))) if whole else ("{}·{} − {}", (y[j], total, float(t[j])))
    template = _over(ctx, template, str(ctx.samples))
    power = (float(z[j]), m, sum(powers))
    steps = (
        *_sum_steps(ctx, z, m, powers),
        ctx.calculation(f"ŷ[{j}]", f"e^{{z[{j}] − m}} / S", "e^{{{} − {}}} / {}", power, y[j]),
        *(() if whole else (ctx.listed("T", "Σ_{k} t[k]", t.tolist(), " + ", total),)),
        ctx.calculation(f"dz[{j}]", _over(ctx, difference), template, operands, ctx.value),
    )
    written = [
        f"{ctx.bracket('dz', k, sample=sample)} = {_over(ctx, _difference(ctx, k, sample, whole), size)}"
        for k, sample, size in (("j", "n", "N"), (j, n, str(ctx.samples)))
    ]
    return Derivation(
        ctx.sentences(),
        written[0],
        written[1],
        steps=steps,
        jacobian=_jacobian(ctx, y, t, j),
        sources=_read_by_gradient(ctx, n, j),
    )


def correct(ctx: CellContext) -> Derivation:
    """Explain whether the largest entries of p and t have the same index."""
    p, t = _rows(ctx)
    answer, truth = int(np.argmax(p)), int(np.argmax(t))
    steps = (
        CalculationStep(
            "answer", "argmax_{k} p[k]", f"argmax({ctx.row(p.tolist(), ', ')})", float(answer), str(answer)
        ),
        CalculationStep("truth", "argmax_{k} t[k]", f"argmax({ctx.row(t.tolist(), ', ')})", float(truth), str(truth)),
        CalculationStep(
            "correct", "1 if answer is truth, else 0", ctx.number(ctx.value), ctx.value, ctx.number(ctx.value)
        ),
    )
    words = ctx.sentences(answer=answer, truth=truth, right=answer == truth)
    written = [
        f"{ctx.bracket('correct', sample=n)} = "
        f"(argmax_{{k}} {_at(ctx, 'p', 'k', n)} = argmax_{{k}} {_at(ctx, 't', 'k', n)})"
        for n in ("n", ctx.sample)
    ]
    return Derivation(words, written[0], written[1], steps=steps, sources=(*_cells(ctx, 0), *_cells(ctx, 1)))


def correct_labels(ctx: CellContext) -> Derivation:
    """Explain the fraction of outputs with p[k] and t[k] on the same side of ½."""
    p, t = _rows(ctx)
    same = [(a >= 0.5 and b >= 0.5) or (a < 0.5 and b < 0.5) for a, b in zip(p, t, strict=True)]
    outputs, right = len(same), int(sum(same))
    steps = (
        CalculationStep("right", "Σ_{k} ((p[k] ≥ 0.5) = (t[k] ≥ 0.5))", str(right), float(right), str(right)),
        ctx.calculation("correct", "right / K", "{} / {}", (right, outputs), ctx.value),
    )
    words = ctx.sentences(
        several=outputs > 1, outputs=outputs, right=right, output_is_yes=p[0] >= 0.5, target_is_yes=t[0] >= 0.5
    )
    written = [
        f"{ctx.bracket('correct', sample=n)} = 1/K · Σ_{{k}} "
        f"(({_at(ctx, 'p', 'k', n)} ≥ 0.5) = ({_at(ctx, 't', 'k', n)} ≥ 0.5))"
        for n in ("n", ctx.sample)
    ]
    return Derivation(words, written[0], written[1], steps=steps, sources=(*_cells(ctx, 0), *_cells(ctx, 1)))


EXPLAINERS: dict[str, Callable[[CellContext], Derivation]] = {
    function.__name__: function
    for function in (
        *(half_squared_error, mean_squared_error, mean_absolute_error, huber, binary_cross_entropy),
        *(categorical_cross_entropy, softmax_cross_entropy, softmax_cross_entropy_dp, correct, correct_labels),
    )
} | {name: gradient for name, entry in definitions.entries().items() if name.endswith("_dp") and "steps" in entry}


# -------------------------------------------------------------------------------------------------- parts


def _squared(ctx: CellContext, scale: Scale) -> Derivation:
    """Explain a squared error as a scaled sum of the terms (p − t)·(p − t)."""
    p, t = _rows(ctx)
    factors = [Factor(f"(p[{k}] − t[{k}])", None, float(a - b)) for k, (a, b) in enumerate(zip(p, t, strict=True))]
    letter = "1/K" if ctx.operation.name.startswith("mean") else scale.symbols
    written = [
        f"{ctx.bracket('loss', sample=n)} = {part} · Σ_{{k}} ({_at(ctx, 'p', 'k', n)} − {_at(ctx, 't', 'k', n)})^{{2}}"
        for part, n in ((letter, "n"), (scale.symbols, ctx.sample))
    ]
    terms = tuple(Term.of(factor, factor) for factor in factors)
    return Derivation(ctx.sentences(), written[0], written[1], terms, scale, sources=(*_cells(ctx, 0), *_cells(ctx, 1)))


def _mean_of(ctx: CellContext, written: str, function: Callable[[float], float]) -> Derivation:
    """Explain a loss or metric that is the mean of a function of the differences p − t."""
    p, t = _rows(ctx)
    values = [function(float(a) - float(b)) for a, b in zip(p, t, strict=True)]
    name = "error" if ctx.result == "error" else "loss"
    steps = (
        ctx.listed("S", f"Σ_{{k}} {written}(p[k] − t[k])", values, " + ", sum(values)),
        ctx.calculation(name, "S / K", "{} / {}", (sum(values), len(values)), ctx.value),
    )
    symbols, here = (
        f"{ctx.bracket(name, sample=n)} = 1/K · Σ_{{k}} {written}({_at(ctx, 'p', 'k', n)} − {_at(ctx, 't', 'k', n)})"
        for n in ("n", ctx.sample)
    )
    return Derivation(ctx.sentences(), symbols, here, steps=steps, sources=(*_cells(ctx, 0), *_cells(ctx, 1)))


def _over(ctx: CellContext, formula: str, size: str = "N") -> str:
    """Divide a formula by the number of samples if there is more than one."""
    return formula if ctx.samples == 1 else f"({formula}) / {size}"


def _difference(ctx: CellContext, k: Index, sample: Index, whole: bool) -> str:
    total = "" if whole else f" · Σ_{{k}} {ctx.bracket('t', 'k', sample=sample)}"
    return f"{ctx.bracket('ŷ', k, sample=sample)}{total} − {ctx.bracket('t', k, sample=sample)}"


def _sum_steps(ctx: CellContext, z: Array, m: float, powers: Sequence[float]) -> tuple[CalculationStep, ...]:
    """Return the steps that calculate the maximum score and the sum of exponentials."""
    return (
        ctx.listed("m", "max_{k} z[k]", z.tolist(), ", ", m),
        ctx.listed("S", "Σ_{k} e^{z[k] − m}", powers, " + ", sum(powers)),
    )


def _jacobian(ctx: CellContext, y: Sequence[float], t: Array, j: int) -> Jacobian:
    """Return dLoss/dŷ_k · dŷ_k/dz_j for every class k."""
    rows: list[JacobianRow] = []
    for k, p in enumerate(y):
        slope = (1.0 if k == j else 0.0) - y[j]
        target = float(t[k])
        dp = -target / max(p, EPSILON) / ctx.samples
        rows.append(JacobianRow(k, p, target, dp, p * slope, -target * slope / ctx.samples))
    return Jacobian(tuple(rows))


def _read_by_gradient(ctx: CellContext, n: int, j: int) -> tuple[str, ...]:
    """Return the sources of a gradient: the target, and the probability or, without a softmax layer, all scores."""
    softmax = f"{ctx.catalogue.layers[-1]}.y"
    if softmax in ctx.catalogue.entries and softmax != ctx.tensor(0).storage:
        index = f"{n},{j}" if ctx.samples > 1 else f"{j}"
        return f"{softmax}[{index}]", ctx.cell(1, (n, j))
    return (*_cells(ctx, 0), ctx.cell(1, (n, j)))


def _rows(ctx: CellContext) -> tuple[Array, Array]:
    """Return the rows of p and t for this sample."""
    return ctx.array(0)[ctx.sample], ctx.array(1)[ctx.sample]


def _entries(ctx: CellContext) -> tuple[float, float]:
    """Return p[k] and t[k]."""
    p, t = _rows(ctx)
    return float(p[ctx.own_index]), float(t[ctx.own_index])


def _powers(z: Array) -> tuple[float, list[float]]:
    m = float(z.max())
    return m, [float(power) for power in np.exp(z - m)]


def _one_hot(t: Array) -> int | None:
    """Return the target class if the target is one-hot, else None."""
    right = int(t.argmax())
    return right if t[right] == 1 and np.count_nonzero(t) == 1 else None


def _cells(ctx: CellContext, read: int) -> tuple[str, ...]:
    return tuple(ctx.cell(read, (ctx.sample, k)) for k in range(ctx.array(read).shape[1]))


def _at(ctx: CellContext, name: str, k: Index, sample: Index) -> str:
    return ctx.bracket(name, k, sample=sample) if ctx.samples > 1 else at(name, k)
