"""Explanations of the losses and their gradients. Equations: reference/losses.py."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from chainrule import operations
from chainrule.engines import Array
from chainrule.explain.formulas import chain, in_letters, in_numbers
from chainrule.explain.notation import Index, at
from chainrule.explain.numbers import bracketed, listed, shown
from chainrule.explain.record import Factor, Jacobian, Made, Row, Scale, Step, Term
from chainrule.explain.site import Site

EPSILON = float(np.finfo(np.float64).eps)
OF_ENTRY = ("p", "t", "p̂")  # letters of formulas that have an index


def half_squared_error(site: Site) -> Made:
    """Explain loss = 1/2 · Σ_k (p[k] − t[k])²."""
    return _squared(site, Scale("1/2", 0.5))


def mean_squared_error(site: Site) -> Made:
    """Explain loss = 1/K · Σ_k (p[k] − t[k])²."""
    outputs = site.array(0).shape[1]
    return _squared(site, Scale(f"1/{outputs}", 1 / outputs))


def binary_cross_entropy(site: Site) -> Made:
    """Explain loss = −1/K · Σ_k t[k]·log p̂[k] + (1 − t[k])·log(1 − p̂[k])."""
    p, t = _rows(site)
    terms: list[Term] = []
    for k, q in enumerate(np.clip(p, EPSILON, 1 - EPSILON)):
        target = site.factor(1, (site.sample, k))
        yes, no = float(np.log(q)), float(np.log(1 - q))
        terms.append(Term.of(target, Factor(f"log(p̂[{k}])", None, yes)))
        terms.append(Term.of(Factor(f"(1 − t[{k}])", None, 1 - float(t[k])), Factor(f"log(1 − p̂[{k}])", None, no)))
    written: list[str] = []
    for size, n in (("K", "n"), (str(len(p)), site.sample)):
        target, answer = _at(site, "t", "k", n), _at(site, "p̂", "k", n)
        sum_of = f"{target}·log({answer}) + (1 − {target})·log(1 − {answer})"
        written.append(f"{site.bracket('loss', sample=n)} = −1/{size} · Σ_{{k}} ({sum_of})")
    return Made(
        site.say(), written[0], written[1], tuple(terms), Scale(f"−1/{len(p)}", -1 / len(p)), sources=_cells(site, 0)
    )


def categorical_cross_entropy(site: Site) -> Made:
    """Explain loss = −Σ_k t[k]·log p̂[k]."""
    p, _ = _rows(site)
    logs = np.log(np.clip(p, EPSILON, 1))
    terms = tuple(
        Term.of(site.factor(1, (site.sample, k)), Factor(f"log(p̂[{k}])", None, float(log)))
        for k, log in enumerate(logs)
    )
    written = [
        f"{site.bracket('loss', sample=n)} = −Σ_{{k}} {_at(site, 't', 'k', n)}·log({_at(site, 'p̂', 'k', n)})"
        for n in ("n", site.sample)
    ]
    return Made(site.say(), written[0], written[1], terms, Scale("−1", -1.0), sources=_cells(site, 0))


def softmax_cross_entropy(site: Site) -> Made:
    """Explain loss = Σ_k t[k]·(L − z[k]), where L = log Σ_k e^{z[k]}."""
    z, t = _rows(site)
    m, powers = _powers(z)
    logarithm, right = float(np.log(sum(powers))), _one_hot(t)
    symbols = "Σ_{k} t[k]·(l + m − z[k])"
    numbers = listed([float(target * (logarithm + m - score)) for target, score in zip(t, z, strict=True)], " + ")
    if right is not None:
        symbols = f"l + (m − z[{right}])"
        numbers = f"{bracketed(logarithm)} + ({bracketed(m)} − {bracketed(float(z[right]))})"
    steps = (
        *_sum_steps(z, m, powers),
        Step("l", "log(S)", f"log({bracketed(sum(powers))})", logarithm),
        Step("loss", symbols, numbers, site.value),
    )
    written = [
        f"{site.bracket('loss', sample=n)} = Σ_{{k}} {_at(site, 't', 'k', n)} · (L − {_at(site, 'z', 'k', n)})"
        for n in ("n", site.sample)
    ]
    words = site.say(one_class=right is not None, probability=right is not None and shown(powers[right] / sum(powers)))
    return Made(words, written[0], written[1], steps=steps, sources=(*_cells(site, 0), *_cells(site, 1)))


def gradient(site: Site) -> Made:
    """Explain a gradient whose steps are formulas in p[k] and t[k]."""
    n, k = site.sample, site.own[0]
    p, t = _entries(site)
    known = {"p": p, "t": t, "K": float(site.array(0).shape[1]), "N": float(site.samples), "ε": EPSILON}
    formulas = operations.entries()[site.operation.name]["steps"]
    facts = {"batch": site.samples > 1}
    steps = chain(formulas, known, facts, {letter: f"{letter}[k]" for letter in OF_ENTRY})
    steps[-1] = replace(steps[-1], name=f"dp[{k}]", value=site.value)
    last = [formula for formula in formulas if operations.holds(formula, facts)][-1]
    letters = {letter: site.bracket(letter, "k") for letter in OF_ENTRY}
    own = {letter: site.bracket(letter, k, sample=n) for letter in OF_ENTRY}
    symbols = f"{site.bracket('dp', 'k')} = {in_letters(last, letters)}"
    here = f"{site.bracket('dp', k, sample=n)} = {in_numbers(last, known, own)}"
    return Made(site.say(), symbols, here, steps=tuple(steps), sources=(site.cell(0, (n, k)), site.cell(1, (n, k))))


def softmax_cross_entropy_dp(site: Site) -> Made:
    """Explain dz[j] = (ŷ[j] · Σ_k t[k] − t[j]) / N, or ŷ[j] − t[j] for one sample and a one-hot target."""
    z, t = _rows(site)
    n, j = site.sample, site.own[0]
    m, powers = _powers(z)
    y = [power / sum(powers) for power in powers]
    whole, total = _one_hot(t) is not None, float(t.sum())
    difference = "ŷ[j] − t[j]" if whole else "ŷ[j]·T − t[j]"
    share = "" if whole else f"·{bracketed(total)}"
    numbers = f"{bracketed(y[j])}{share} − {bracketed(float(t[j]))}"
    power = f"e^{{{bracketed(float(z[j]))} − {bracketed(m)}}}"
    last = Step(f"dz[{j}]", _over(site, difference), _over(site, numbers, str(site.samples)), site.value)
    middle = () if whole else (Step("T", "Σ_{k} t[k]", listed([float(a) for a in t], " + "), total),)
    steps = (
        *_sum_steps(z, m, powers),
        Step(f"ŷ[{j}]", f"e^{{z[{j}] − m}} / S", f"{power} / {bracketed(sum(powers))}", y[j]),
        *middle,
        last,
    )
    written = [
        f"{site.bracket('dz', k, sample=sample)} = {_over(site, _difference(site, k, sample, whole), size)}"
        for k, sample, size in (("j", "n", "N"), (j, n, str(site.samples)))
    ]
    return Made(
        site.say(),
        written[0],
        written[1],
        steps=steps,
        jacobian=_jacobian(site, y, t, j),
        sources=_read_by_gradient(site, n, j),
    )


def correct(site: Site) -> Made:
    """Explain whether the largest entries of p and t have the same index."""
    p, t = _rows(site)
    answer, truth = int(np.argmax(p)), int(np.argmax(t))
    steps = (
        Step("answer", "argmax_{k} p[k]", f"argmax({listed([float(v) for v in p], ', ')})", float(answer)),
        Step("truth", "argmax_{k} t[k]", f"argmax({listed([float(v) for v in t], ', ')})", float(truth)),
        Step("correct", "1 if answer is truth, else 0", shown(site.value), site.value),
    )
    words = site.say(answer=answer, truth=truth, right=answer == truth)
    written = [
        f"{site.bracket('correct', sample=n)} = "
        f"(argmax_{{k}} {_at(site, 'p', 'k', n)} = argmax_{{k}} {_at(site, 't', 'k', n)})"
        for n in ("n", site.sample)
    ]
    return Made(words, written[0], written[1], steps=steps, sources=(*_cells(site, 0), *_cells(site, 1)))


def correct_labels(site: Site) -> Made:
    """Explain the share of entries where p[k] and t[k] are on the same side of ½."""
    p, t = _rows(site)
    same = [(a >= 0.5 and b >= 0.5) or (a < 0.5 and b < 0.5) for a, b in zip(p, t, strict=True)]
    outputs, right = len(same), sum(same)
    steps = (
        Step("right", "Σ_{k} ((p[k] ≥ 0.5) = (t[k] ≥ 0.5))", str(right), float(right)),
        Step("correct", "right / K", f"{right} / {outputs}", site.value),
    )
    words = site.say(several=outputs > 1, outputs=outputs, right=right, said=p[0] >= 0.5, wanted=t[0] >= 0.5)
    written = [
        f"{site.bracket('correct', sample=n)} = 1/K · Σ_{{k}} "
        f"(({_at(site, 'p', 'k', n)} ≥ 0.5) = ({_at(site, 't', 'k', n)} ≥ 0.5))"
        for n in ("n", site.sample)
    ]
    return Made(words, written[0], written[1], steps=steps, sources=(*_cells(site, 0), *_cells(site, 1)))


def absolute_error(site: Site) -> Made:
    """Explain 1/K Σ_k abs(p[k] − t[k])."""
    p, t = _rows(site)
    distances = [abs(float(a) - float(b)) for a, b in zip(p, t, strict=True)]
    total, outputs = sum(distances), len(distances)
    steps = (
        Step("S", "Σ_{k} abs(p[k] − t[k])", listed(distances, " + "), total),
        Step("error", "S / K", f"{bracketed(total)} / {outputs}", site.value),
    )
    written = [
        f"{site.bracket('error', sample=n)} = 1/K · Σ_{{k}} abs({_at(site, 'p', 'k', n)} − {_at(site, 't', 'k', n)})"
        for n in ("n", site.sample)
    ]
    return Made(site.say(), written[0], written[1], steps=steps, sources=(*_cells(site, 0), *_cells(site, 1)))


EXPLAINERS: dict[str, Callable[[Site], Made]] = {
    function.__name__: function
    for function in (
        *(half_squared_error, mean_squared_error, binary_cross_entropy, categorical_cross_entropy),
        *(softmax_cross_entropy, softmax_cross_entropy_dp, correct, correct_labels, absolute_error),
    )
} | {name: gradient for name, entry in operations.entries().items() if name.endswith("_dp") and "steps" in entry}


# -------------------------------------------------------------------------------------------------- parts


def _squared(site: Site, scale: Scale) -> Made:
    """Explain a squared error: terms (p − t)·(p − t), and a scale."""
    p, t = _rows(site)
    factors = [Factor(f"(p[{k}] − t[{k}])", None, float(a - b)) for k, (a, b) in enumerate(zip(p, t, strict=True))]
    letter = "1/K" if site.operation.name.startswith("mean") else scale.symbols
    written = [
        f"{site.bracket('loss', sample=n)} = {part} · Σ_{{k}} "
        f"({_at(site, 'p', 'k', n)} − {_at(site, 't', 'k', n)})^{{2}}"
        for part, n in ((letter, "n"), (scale.symbols, site.sample))
    ]
    terms = tuple(Term.of(factor, factor) for factor in factors)
    return Made(site.say(), written[0], written[1], terms, scale, sources=(*_cells(site, 0), *_cells(site, 1)))


def _over(site: Site, formula: str, size: str = "N") -> str:
    """Divide a formula by the number of samples where there are several."""
    return formula if site.samples == 1 else f"({formula}) / {size}"


def _difference(site: Site, k: Index, sample: Index, whole: bool) -> str:
    total = "" if whole else f" · Σ_{{k}} {site.bracket('t', 'k', sample=sample)}"
    return f"{site.bracket('ŷ', k, sample=sample)}{total} − {site.bracket('t', k, sample=sample)}"


def _sum_steps(z: Array, m: float, powers: Sequence[float]) -> tuple[Step, Step]:
    """Return the steps for the largest score and for the sum of powers."""
    largest = Step("m", "max_{k} z[k]", f"max({listed([float(value) for value in z], ', ')})", m)
    return largest, Step("S", "Σ_{k} e^{z[k] − m}", listed(powers, " + "), sum(powers))


def _jacobian(site: Site, y: Sequence[float], t: Array, j: int) -> Jacobian:
    """Return dLoss/dŷ_k · dŷ_k/dz_j for every class k."""
    rows: list[Row] = []
    for k, p in enumerate(y):
        slope = (1.0 if k == j else 0.0) - y[j]
        target = float(t[k])
        dp = -target / max(p, EPSILON) / site.samples
        rows.append(Row(k, p, target, dp, p * slope, -target * slope / site.samples))
    return Jacobian(tuple(rows))


def _read_by_gradient(site: Site, n: int, j: int) -> tuple[str, ...]:
    """Return the probability if a softmax layer holds it, else all scores; and the target."""
    softmax = f"{site.catalogue.layers[-1]}.y"
    if softmax in site.catalogue.entries and softmax != site.tensor(0).storage:
        index = f"{n},{j}" if site.samples > 1 else f"{j}"
        return f"{softmax}[{index}]", site.cell(1, (n, j))
    return (*_cells(site, 0), site.cell(1, (n, j)))


def _rows(site: Site) -> tuple[Array, Array]:
    """Return p and t of this sample."""
    return site.array(0)[site.sample], site.array(1)[site.sample]


def _entries(site: Site) -> tuple[float, float]:
    """Return p[k] and t[k] of this entry."""
    p, t = _rows(site)
    return float(p[site.own]), float(t[site.own])


def _powers(z: Array) -> tuple[float, list[float]]:
    m = float(z.max())
    return m, [float(power) for power in np.exp(z - m)]


def _one_hot(t: Array) -> int | None:
    """Return the right class if the target is one-hot."""
    right = int(t.argmax())
    return right if t[right] == 1 and np.count_nonzero(t) == 1 else None


def _cells(site: Site, read: int) -> tuple[str, ...]:
    return tuple(site.cell(read, (site.sample, k)) for k in range(site.array(read).shape[1]))


def _at(site: Site, name: str, k: Index, sample: Index) -> str:
    return site.bracket(name, k, sample=sample) if site.samples > 1 else at(name, k)
