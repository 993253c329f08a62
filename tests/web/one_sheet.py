"""Choose what the page of `one-sheet` opens on: `PYTHONPATH=tests python tests/web/one_sheet.py`.

Train the network of the zoo with its recipe and seed, and look at the question of each of the first steps
(`web/opening.py`): a weight, the step, and an image of its batch. Keep the questions whose image is misclassified
before the step and not after it, and whose gradient adds at least four products that are not 0, so that it is a sum.
Print the ten with the fewest such products, and of these the largest changes of the weight first. The first address is
the entry's `shown`.
"""

import json

from web.looked_at import NOBODY

from chainrule import zoo
from chainrule.models.model import Model
from chainrule.web import opening, subjects
from chainrule.web.frames import Frame
from chainrule.web.session import Session

STEPS = 400
FEWEST = 4  # products


def restored(model: Model, frame: Frame) -> Model:
    """Return the model with the parameters of a frame."""
    model.parameters[:] = frame.parameters
    return model


def main() -> None:
    """Print the addresses, with the number of products and the change of the weight."""
    session = Session(subjects.of_name("one-sheet"), threaded=False)  # trained
    running = session._running  # pyright: ignore[reportPrivateUsage]
    assert running is not None
    model = zoo.find("one-sheet").build()
    model.normalization = session.subject.model.normalization
    chosen = list[tuple[int, float, str]]()
    for step in range(STEPS):
        address = opening.question_at(session.subject, running.trainer.stepper.plan, running.step_replay, step)
        record = session.batch_step(step, NOBODY)
        if address is None or record.labels is None:
            continue
        image = int(address.partition("image=")[2].partition("&")[0])
        cell = address.partition("why=")[2]
        x, label = record.images[image], model.labels.classes[record.labels[image]]
        index = tuple(json.loads(cell.removeprefix("conv1.w")))
        after = restored(model, record.after)
        weight, answer = float(after.weights["conv1.w"][index]), after.predict_classes(x)
        before = restored(model, record.before)
        if before.predict_classes(x) == label or answer != label:
            continue
        terms = before.trace(x, label).explain(cell.replace(".w", ".dw")).details.terms
        products = sum(term.value != 0 for term in terms)
        if products >= FEWEST:
            chosen.append((products, -abs(weight - float(before.weights["conv1.w"][index])), address))
    session.close()
    for products, change, address in sorted(chosen)[:10]:
        print(f"{address}  {products} products, change {-change:.3f}")


if __name__ == "__main__":
    main()
