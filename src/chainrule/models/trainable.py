"""Networks with methods for training, evaluation and prediction on a user's data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.options import plain
from chainrule.core.words import checked_options
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import Normalization, decision, kind_for
from chainrule.data.sources import SampleSource, as_samples, blocks, extremes
from chainrule.engines.fallback import say_once
from chainrule.errors import OptionError, explain_memory_errors, printable, quoted
from chainrule.layers import FakeQuantize
from chainrule.models.input_normalization import has_constant_normalization, normalizing_layers
from chainrule.models.reading import UNFITTED, Reading, held_out, normalization_of, packed, training_data
from chainrule.network import losses
from chainrule.network.fitted import Fitted
from chainrule.network.losses import Loss, LossLike
from chainrule.network.network import PREDICT_BATCH, Network
from chainrule.network.ports import ArraysLike, Ports
from chainrule.network.shapes import input_array
from chainrule.network.tasks import BINARY
from chainrule.training import outputs
from chainrule.training.loop import TrainingLoop
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples, label_array
from chainrule.training.streams import TrainingData
from chainrule.training.workers import SINGLE_PROCESS, Workers

if TYPE_CHECKING:
    from chainrule.data.augmentation import Views
    from chainrule.data.inputs import ImageSource
    from chainrule.training.metrics import Evaluation

Data: TypeAlias = Dataset | tuple[ArraysLike, ArraysLike]


class TrainableNetwork(Network):
    """A network with class names, a loss and a normalization of its inputs.

    Accepts all arguments of `network.Network`, and:

    classes        class names; by default "0", "1", …
    normalization  normalization of every input; None: no normalization until training sets it
    loss           name of a built-in loss (`losses.NAMES`) or a custom loss; None: the last layer's default loss
                   (`losses.default_for`)

    The attribute ``task`` (`network.tasks`) is None until training sets it.
    """

    def __init__(
        self,
        layers: Sequence[Any],
        input_shape: Sequence[int],
        *,
        classes: Sequence[str] | None = None,
        normalization: Normalization | None = None,
        loss: LossLike | None = None,
        **options: Any,
    ) -> None:
        super().__init__(layers, input_shape, **options)
        count = 0 if self.output_ports else self.output_shape[0]
        names: object = plain(range(count) if classes is None else classes)
        if not isinstance(names, Iterable):
            raise OptionError(f"classes {quoted(names)}: expected the names of the classes")
        self.frozen: tuple[str, ...] = ()
        self.classes = tuple(printable(str(class_name)) for class_name in cast("Iterable[Any]", names))
        if self.output_ports and self.classes:
            raise OptionError(
                f"names of classes for the outputs {self.output_ports}: expected none for several outputs"
            )
        if len(self.classes) not in _allowed_class_counts(count):
            raise OptionError(f"{len(self.classes)} names of classes for {count} outputs; expected as many")
        if normalization is not None and not isinstance(normalization, Normalization):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OptionError(f"normalization {quoted(normalization)}: expected a Normalization, which training sets")
        self.normalization = normalization or UNFITTED
        parts, ports = self.normalization.parts, self.input_ports
        if (tuple(parts) != self.input_names) if parts else (ports and self.normalization.kind != "none"):
            expected = (
                f"expected one for each of {ports}, which training sets" if ports else "expected one, for one input"
            )
            raise OptionError(f"normalization of {', '.join(parts) or 'a single input'}: {expected}")
        self.loss = outputs.choose_loss(self, loss)

    # ------------------------------------------------------------------ training

    def freeze(self, *names: str) -> None:
        """Freeze parameters in all later calls of `fit`. Without names, unfreeze all parameters.

        No gradient is computed for frozen parameters. If a layer and all layers before it are frozen, no gradient is
        propagated to it. Frozen batch normalizations use their running statistics and do not update them.

        names    layers (conv1), patterns (conv*) or parameters (conv1.w)
        Errors   OptionError for a name that matches no parameter

        >>> model.freeze("conv*")
        """
        LRMultipliers.frozen(*names).groups(self.trainable_layout, "freeze")
        self.frozen = names

    def check_loss(self, loss: LossLike | None = None, weights: Any = None) -> Loss:
        """Return the loss to train with. By default, this is the model's loss.

        weights   weights of the losses of several outputs, in order or by name; None: those of the loss

        Errors   OptionError or ShapeError if the loss cannot be combined with the last layer
        """
        resolved = self.loss if loss is None else outputs.choose_loss(self, loss)
        if weights is not None:
            resolved = outputs.choose_loss(self, resolved, weights)
        for output, term in zip(self.outputs, losses.terms(resolved), strict=False):
            losses.check_ending(term, output.last_layer, output.shape[0])
        self.check_output_losses(resolved)
        return resolved

    def trainer(
        self,
        recipe: Recipe,
        train_data: TrainingData,
        validation: TrainingData | None = None,
        *,
        normalization: Normalization | None = None,
        classes: tuple[str, ...] = (),
        workers: Workers = SINGLE_PROCESS,
        readers: int | None = None,
    ) -> TrainingLoop:
        """Return a trainer for this model. The model is not modified before training starts (`Trainer.adopt`).

        normalization  None: fit it to the training data
        classes        class names to replace the model's; empty: keep the model's
        workers        processes that train together
        readers        processes that read ahead; None: one per processor if samples are decoded when needed
        """
        self._check_gradient_passes()
        fitted = normalization or train_data.probe.normalization
        fitted = fitted or Normalization.fit(recipe.normalization, train_data.probe.x)
        if fitted.kind == "none":
            self._warn_of_raw_bytes(train_data.probe)
        options: dict[str, Any] = {"classes": classes, "workers": workers, "readers": readers}
        return TrainingLoop(self, recipe, train_data, fitted, validation, **options)

    def _check_gradient_passes(self) -> None:
        """Raise OptionError for a quantized network, which no gradient passes."""
        for name, layer in zip(self.names, self.layers, strict=True):
            if isinstance(layer, FakeQuantize):
                raise OptionError(
                    f"layer {name!r} rounds numbers, so that no gradient passes: a quantized network cannot be "
                    "trained; train the network in floats and quantize it again"
                )

    def _warn_of_raw_bytes(self, samples: Samples) -> None:
        """Print a message if inputs look like bytes and no layer normalizes them."""
        if kind_for(samples.x) == "scale" and not normalizing_layers(self.names, self.layers, self.wiring):
            say_once(
                f"chainrule: inputs are {samples.x.dtype.name} up to {extremes(samples.x)[1]:g}, and neither the "
                "training nor the network normalizes them; normalization='scale' maps them to 0 … 1"
            )

    def _prepare(
        self,
        samples: TrainingData,
        validation: Data | None,
        recipe: Recipe,
        *,
        choose: bool,
        classes: tuple[str, ...] = (),
        workers: Workers = SINGLE_PROCESS,
        test: Data | None = None,
        readers: int | None = None,
    ) -> TrainingLoop:
        """Return the trainer for `fit`.

        classes  class names of the data; empty: the model's
        choose  whether the user has not specified a normalization. Then, the normalization of an earlier training is
                kept. If there is none, a note in the history explains the choice in ``recipe``
        test    data for the evaluation after training, checked here to raise errors before training; None: no data
        """
        existing = self.normalization if choose and self.normalization != UNFITTED else None
        reading = Reading(classes, recipe.ignore_label, samples.probe.normalization)
        sets = self._parts(samples, validation, recipe, reading)
        if test is not None:
            test_samples = held_out(self, "test_data", test, reading)
            outputs.check_targets(self, recipe.loss, test_samples.probe)
        options: dict[str, Any] = {"normalization": existing, "classes": classes, "workers": workers}
        trainer = self.trainer(recipe, *sets, readers=readers, **options)
        if choose and existing is None:
            is_prepared = has_constant_normalization(self.layers, self.wiring)
            sentence = decision(samples.probe.x, trainer.normalization)
            trainer.history.notes.insert(0, "the network normalizes its inputs" if is_prepared else sentence)
        return trainer

    def _with_frozen(self, multipliers: LRMultipliers) -> LRMultipliers:
        return LRMultipliers((*LRMultipliers.frozen(*self.frozen).factors, *multipliers.factors))

    def _default_normalization(self, samples: TrainingData) -> str:
        """Return the kind of normalization used in an earlier training, otherwise the default kind for the data.

        If the network normalizes its inputs with constants, as imported networks may do, the default kind is "none".
        """
        fitted = samples.probe.normalization or self.normalization
        if fitted != UNFITTED or self.input_ports:
            return fitted.kind
        return "none" if has_constant_normalization(self.layers, self.wiring) else kind_for(samples.probe.x)

    def _parts(
        self, samples: TrainingData, validation: Data | None, recipe: Recipe, reading: Reading
    ) -> tuple[TrainingData, TrainingData | None]:
        """Return training samples, and validation samples: separate ones, a fraction of ``samples``, or None."""
        if validation is None:
            if recipe.patience is not None and not recipe.validation and samples.validation is None:
                raise OptionError("patience requires a validation loss; pass validation_data or validation_split too")
            return samples.parts(recipe.validation, recipe.seed)
        if recipe.validation:
            raise OptionError("validation_data and validation_split cannot both be given")
        return samples, held_out(self, "validation_data", validation, reading)

    def _new_classes(self, x: Any, y: Any) -> tuple[str, ...]:
        """Return the class names of a `Dataset` or of labels (N,), if there are as many as the network has outputs.

        The result is empty for other data, and if the model's classes have names.
        """
        allowed = _allowed_class_counts(self.output_shape[0])
        if isinstance(x, Dataset):
            return x.classes if len(x.classes) in allowed else ()
        if self.has_ports or y is None or isinstance(y, SampleSource):
            return ()
        labels = label_array(Ports.single(y))
        names = tuple(np.unique(labels.astype(str)).tolist()) if labels.dtype.kind in "US" else ()
        is_unnamed = self.classes == tuple(map(str, range(len(self.classes))))
        return names if is_unnamed and {*names} - {*self.classes} and len(names) in allowed else ()

    def _inputs(self, x: Any, *, single: bool = False) -> Any:
        """Convert the only input, as `input_array`."""
        return as_samples(input_array(Ports.single(x), self.input_shape, single=single))

    def adopt(self, fitted: Fitted) -> None:
        """Store the normalization, loss, task and class names determined by training."""
        super().adopt(fitted)
        self.normalization, self.loss, self.classes = fitted.normalization, fitted.loss, self._class_names(fitted)

    def _class_names(self, fitted: Fitted) -> tuple[str, ...]:
        """Return the class names after training: from the data, or the model's. A single binary output has two."""
        names = fitted.classes or self.classes
        return ("0", "1") if len(names) == 1 and fitted.task == BINARY else names

    # ------------------------------------------------------------------ use

    def __call__(self, x: Any) -> Any:
        """Return the outputs for inputs, as `predict`."""
        return self.predict(x)

    @checked_options
    @explain_memory_errors("predicting", "use a smaller batch_size, or predict fewer samples at a time")
    def predict(
        self,
        x: ArraysLike | Dataset | ImageSource | Sequence[ImageSource],
        *,
        batch_size: int = PREDICT_BATCH,
    ) -> Any:
        """Return the outputs (N, *output_shape) for inputs (N, *input_shape), which are normalized as in training.

        Several inputs are a tuple or a dictionary of arrays. Several outputs are returned as a dictionary of arrays.

        If training standardized the targets, the outputs are converted to the targets' units.

        x   inputs as in `fit`, one sample, the path of an image file, a Pillow image, or a list of paths or images. N
            may be 0. See `data.inputs.read_input` for the conversion of files and images

        This method is thread-safe, including in forked processes. Unlike `fit` and `evaluate`, it does not check
        that inputs are finite: NaN or infinity in a sample can make the outputs of that sample NaN.

        >>> model.predict(x_test).argmax(1)
        >>> model.predict("seven.png")
        """
        if self.input_ports is None:
            inputs: Any = x.x if isinstance(x, Dataset) else x
            if not isinstance(inputs, np.ndarray | SampleSource):
                from chainrule.data.inputs import read_inputs

                inputs = read_inputs(inputs, self.input_shape, self.classes)
            samples: Any = self._inputs(inputs, single=True)
        else:
            samples = packed(self, self.input_ports, x, None, single=True)[0]
        if isinstance(samples, SampleSource) and len(samples):
            parts = (normalization_of(self, block).apply(block, self.dtype) for block in blocks(cast("Any", samples)))
            results = np.concatenate([self._outputs(part, batch_size) for part in parts])
        else:
            pixels = cast("NDArray[Any]", samples)
            results = self._outputs(normalization_of(self, pixels).apply(pixels, self.dtype), batch_size)
        results = results if self.target_scaling is None else self.target_scaling.in_units(results)
        return results if self.output_ports is None else self.output_ports.split(results)

    @checked_options
    @explain_memory_errors("evaluating", f"evaluate fewer samples at a time, below {PREDICT_BATCH}")
    def evaluate(
        self,
        x: ArraysLike | Dataset | Any,
        y: ArraysLike | None = None,
        *,
        loss: LossLike | None = None,
        views: str | Views | None = None,
        ignore_label: int | None = None,
    ) -> Evaluation:
        """Return the loss and the metrics of the task (`Evaluation.figures`) on labelled samples.

        x, y    as in `Model.fit`
        loss    None: the model's loss
        views   views of each image over which to average the outputs: `Views`, or text such as "flip,shift=1";
                None: only the image itself
        ignore_label   for dense labels, the label of positions that do not count; None: all positions count
        """
        from chainrule.data.augmentation import Views
        from chainrule.training.evaluation import evaluate

        samples = training_data(self, x, y, Reading(ignore_label=ignore_label))
        resolved_loss = self.loss if loss is None else outputs.choose_loss(self, loss)
        if samples.probe.is_dense and views is not None:
            raise OptionError("views would move the images, but not their dense targets; evaluate without them")
        outputs.check_targets(self, resolved_loss, samples.probe)
        normalization = normalization_of(self, samples.probe.x)
        return evaluate(self, samples, normalization, resolved_loss, self.task, Views.choose(views))


def _allowed_class_counts(outputs: int) -> tuple[int, ...]:
    """Return the allowed numbers of class names for a number of outputs: for 1 output, also 2."""
    return (outputs, 2) if outputs == 1 else (outputs,)
