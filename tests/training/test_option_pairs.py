"""Pairs of options of trainings, evaluations and freezing agree with NumPy, or are refused as declared.

A case draws a task, a network, values of two options, and what these need. `oracle` computes the same training: its
steps, validation, final weights and evaluation.
"""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws
from training import oracle
from training.option_cases import HELD, TASKS, Case, Computed
from training.option_draws import OPTIONS

from chainrule.errors import ChainruleError

NEEDS = {"monitor": "patience", "patience": "validation_data"}
REFUSED = 0.03  # share of the draws that are tried although the options cannot meet
NEAR: dict[str, Any] = {"roundings": 1e7, "dtype": np.float64}


def chosen(names: tuple[str, ...]) -> list[str]:
    """Return the options of a case: those of the pair, and what these need, in the order of the table."""
    result = set(names)
    while missing := {NEEDS[name] for name in result if name in NEEDS} - result:
        result |= missing
    return [name for name in OPTIONS if name in result]


def refusals(case: Case, names: list[str]) -> list[str]:
    """Return patterns of the reasons why the options cannot meet each other or the task."""
    task, several = case.heads[0].task, len(case.heads) > 1
    losses = {head.loss for head in case.heads} if "loss" in case.fit else set[str]()
    moves = "augmentation" in case.fit and case.fit["augmentation"].exposes_outside
    weighting = {"ignore_label", "class_weight", "sample_weight", "evaluated_weight"} & {*names}
    are_weighted = bool(weighting) or len(case.fit.get("validation_data", ())) == 3
    reasons = {
        "both change the division": {"gradient_accumulation_steps", "shards"} <= {*names},
        "cannot both be given": {"validation_data", "validation_split"} <= {*names},
        "label smoothing .*: expected one of several": "label_smoothing" in names
        and (task != "classification" or several),
        "class weights .*: expected labels": "class_weight" in names and (task == "regression" or several),
        "loss weights require": "loss_weights" in names and not several,
        "ignore_label .* requires": "ignore_label" in names and case.task not in ("map", "binary map"),
        "thresholds": "thresholds" in names and (task not in ("binary", "multi-label") or several),
        "standardize_targets True: expected a regression": "standardize_targets" in names
        and (case.continued or case.heads[-1].task != "regression"),
        "sample_weight requires one output": "evaluated_weight" in names and several,
        "dice is a loss of whole samples": "dice" in losses and (moves or are_weighted),
    }
    return [pattern for pattern, is_refused in reasons.items() if is_refused]


def trained(case: Case, model: Any) -> tuple[oracle.Arrays, Any, Any]:
    """Train by the library, after an earlier training with few options if the case has one.

    Return the weights before the training, its history, and an evaluation of the result.
    """
    if case.continued:
        earlier = {name: case.fit[name] for name in ("normalization", "ignore_label") if name in case.fit}
        model.fit(case.x, case.y, learning_rate=0.1, standardize_targets=False, progress=False, **earlier)
    weights = case.weights(model)
    if case.frozen:
        model.freeze(*case.freezing)
    if case.thresholds:
        model.set_thresholds(*case.thresholds)
    data, options = case.arguments()
    history = model.fit(*data, **options)
    return weights, history, model.evaluate(case.held_x, case.held_y, **case.evaluation)


def check(names: tuple[str, ...], seed: int) -> list[str]:
    """Draw and compare a case with these options. Return the patterns of the reasons if it is refused."""
    random, options = np.random.default_rng(seed), chosen(names)
    for _ in range(20):
        case = Case(str(random.choice([*TASKS])), random)
        for name in options:
            OPTIONS[name](case)
        reasons = refusals(case, options)
        if not reasons or random.random() < REFUSED:
            break
    model = case.model()
    if reasons:
        with pytest.raises(ChainruleError, match="|".join(reasons)):
            trained(case, model)
        return reasons
    weights, history, evaluation = trained(case, model)
    computed = Computed(case, weights)
    computed.training.train()
    compare_training(case, computed, model, history)
    compare_evaluation(case, computed, evaluation)
    return []


def compare_training(case: Case, computed: Computed, model: Any, history: Any) -> None:
    training = computed.training
    for name in ("rates", "losses", "measures"):
        assert_close(getattr(history, name), getattr(training, name), **NEAR, name=name)
    for name, values in case.weights(model).items():
        assert_close(values, training.final[name], **NEAR, magnitude=1.0, name=name)
    if training.validation is not None:
        found = [(epoch.validation_loss, epoch.validation_measured) for epoch in history.epochs]
        assert_close(found, training.values, **NEAR, name="validation")


def compare_evaluation(case: Case, computed: Computed, evaluation: Any) -> None:
    """Compare loss and metric of each output. An evaluation ignores the weights of the training."""
    targets, counted = case.targets(case.held_y), computed.valid(case.held_y)
    weights = case.evaluation.get("sample_weight", np.ones(HELD))
    if counted is None:
        counted = np.ones(targets[0].shape[:2], bool)
    outputs = computed.outputs(computed.normalized(case.held_x))
    losses = case.evaluation.get("loss", [head.loss for head in case.heads])
    losses = [losses] if isinstance(losses, str) else losses
    parts = [evaluation] if len(case.heads) == 1 else [*evaluation.parts.values()]
    total = 0.0
    for head, part, loss, p, t, scaling in zip(
        case.heads, parts, losses, outputs, targets, computed.scaling, strict=True
    ):
        rows = computed.evaluated_losses(replace(head, loss=loss), p, t, scaling, counted)
        expected = float(np.average(rows, weights=weights))
        found = p if scaling is None else p * scaling[1] + scaling[0]
        metric = np.average(
            oracle.correctness(head.task, found, t, case.thresholds or 0.5), weights=counted * weights[:, None]
        )
        assert_close(part.loss, expected, **NEAR, name="evaluated loss")
        assert_close(part.measured, metric, **NEAR, name="evaluated metric")
        if "metrics" in case.evaluation:
            assert_close(
                part.figures["agreement"], 0.0 if head.task == "regression" else metric, **NEAR, name="agreement"
            )
        total += expected * (1.0 if "loss" in case.evaluation else head.weight)
    assert_close(evaluation.loss, total, **NEAR, name="evaluated loss")


@settings(max_examples=draws(120), deadline=None)
@given(st.sampled_from([*itertools.combinations(OPTIONS, 2)]), st.integers(0, 2**32 - 1))
def test_pairs_of_options_agree_with_numpy(pair: tuple[str, str], seed: int) -> None:
    check(pair, seed)
