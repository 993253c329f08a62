"""The place that the page opens on: a weight that a training step changes, and an image of its batch."""

import threading

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Plan, gradient_name
from chainrule.errors import ChainruleError
from chainrule.web.contributions import StepReplay
from chainrule.web.replaying import BatchStep
from chainrule.web.subjects import PageSubject, SampleImages


def question_at(subject: PageSubject, plan: Plan, replay: StepReplay, step: int) -> str | None:
    """Return the address of the question why a weight changed in a step; None if no weight changes.

    The weight is the one that changes most. The image is the one that contributes most to this change, preferably among
    those that the network misclassifies. The choice depends on the numbers alone.

    plan   of the training step
    """
    never = threading.Event()
    record = replay.step(step, never)
    name = _followed_parameter(plan)
    if name is None:
        return None
    first, last = subject.model.layout[name]
    changes = record.after.parameters[first:last].astype(np.float64) - record.before.parameters[first:last]
    if not changes.any():
        return None
    weight = int(np.abs(changes).argmax())
    [parts] = replay.contributions(step, name, [weight], never)
    pulls = -np.sign(changes[weight]) * parts  # a step goes against the gradient
    wrong = _misclassified(replay.outputs(step, never), record)
    if pulls[wrong].max(initial=0) > 0:
        pulls[~wrong] = 0
    index = np.unravel_index(weight, subject.model.weights[name].shape)
    return f"#/network/backward?image={pulls.argmax()}&step={step}&why={name}[{','.join(map(str, index))}]"


def _followed_parameter(plan: Plan) -> str | None:
    """Return the weights of the convolution before the last one, or else of the last layer with trained weights."""
    gradients = {tensor.storage for operation in plan.backward for tensor in operation.writes}
    convolutions = list[str]()
    others = list[str]()
    for operation in plan.forward:
        parameters = [tensor for tensor in operation.reads[1:2] if tensor is not None and tensor.kind == "parameter"]
        for tensor in parameters:
            if gradient_name(tensor.storage) in gradients:
                others.append(tensor.storage)
                if operation.name == "cross_correlate" and max(tensor.shape[2:], default=1) > 1:
                    convolutions.append(tensor.storage)
    if convolutions:
        return convolutions[max(0, len(convolutions) - 2)]
    return others[-1] if others else None


def _misclassified(outputs: NDArray[np.float64], record: BatchStep) -> NDArray[np.bool_]:
    """Return which images of a batch have another class than the predicted one; none without classes."""
    if record.labels is None or outputs.ndim != 2 or outputs.shape[1] < 2:
        return np.zeros(len(outputs), bool)
    return outputs.argmax(1) != np.array(record.labels)


def sample_to_open(subject: PageSubject, images: SampleImages) -> int:
    """Return the index of the first test image that the network misclassifies, or 0 if there is none."""
    if not len(images.labels) or len(subject.model.output_shape) > 1:
        return 0
    try:
        outputs = np.asarray(subject.model.predict(images.x))
    except ChainruleError:
        return 0
    if outputs.shape[-1] < 2:
        return 0
    wrong = outputs.argmax(-1) != images.labels
    return int(wrong.argmax())
