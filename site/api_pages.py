"""The pages of the API: their titles, an introduction, and the names on each, by section."""

from dataclasses import dataclass

from chainrule import layers, public_names
from chainrule.operations import reference


@dataclass(frozen=True)
class Page:
    """A page of the API.

    sentence   what the page contains, for the list of pages
    sections   names without the prefix "chainrule.", by the title of their section; "" for the top of the page
    example    Python code below the sentence
    """

    title: str
    sentence: str
    sections: dict[str, tuple[str, ...]]
    example: str = ""


METHODS = {  # methods of models in the order of their documentation; other methods follow
    "Train": "fit train_step gradients find_learning_rate freeze trainer",
    "Use": "predict evaluate apply",
    "Save and load": "save load_weights get_weights set_weights state_dict reset",
    "Inspect and explain": "summary trace plot_kernels weights",
    "Adapt": "with_classes with_input_normalization",
}
METHODS_TITLE = "For extensions"  # title of the methods that are not in METHODS

FAMILIES = {  # module of layers → title of its section
    "convolution": "Convolution",
    "dense": "Dense",
    "pooling": "Pooling",
    "rectifiers": "ReLU and its relatives",
    "activations": "Softmax, sigmoid and smooth activations",
    "normalization": "Normalization",
    "dropout": "Dropout",
    "geometry": "Reshaping",
    "resampling": "Resizing",
    "merging": "Branches",
    "elementary": "Elementary functions",
    "constants": "Constants",
    "node": "Inputs of graphs",
    "custom": "Custom layers",
    "base": "Base class",
}


def _families() -> dict[str, tuple[str, ...]]:
    """Return the layers by family; new families come last."""
    sections: dict[str, tuple[str, ...]] = dict.fromkeys(FAMILIES.values(), ())
    for name in layers.__all__:
        family = getattr(layers, name).__module__.rpartition(".")[2]
        title = FAMILIES.get(family, family.capitalize())
        sections[title] = (*sections.get(title, ()), name)
    return sections | {FAMILIES["base"]: ("layers.base.Layer",)}


def _module(name: str, *others: str) -> dict[str, tuple[str, ...]]:
    """Return the public names that a module defines, followed by other names in the module."""
    return {"": (*public_names().get(name, ()), *(f"{name.rpartition('.')[2]}.{other}" for other in others))}


ERRORS = (
    *("UnwrittenError", "OutOfMemoryError", "FileTooLargeError"),
    *("PrecisionWarning", "AmbiguousNameWarning"),
)
DATA = (
    *("load", "load_image", "load_digit", "as_mnist", "read_idx", "known_names"),
    *("catalogue", "clear", "split_validation", "validation_count", "batch_count", "order", "DatasetInfo"),
)
INITIALIZERS = (
    *("NAMED", "zeros", "ones", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform"),
    *("dirac", "whiten", "whitening", "Normal", "find", "draw", "Fans", "Initializer"),
)

PAGES = {
    "models": Page(
        "Models",
        "Build a network from layers, then train, evaluate, save and explain it.",
        {"": ("Sequential", "Graph", "load")},
        """
        import chainrule as cr

        layers = [cr.Conv2D(8, 5), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(10), cr.Softmax()]
        model = cr.Sequential(layers, input_shape=(1, 28, 28))
        model.fit(x, y, epochs=2)
        model.save("digits.safetensors")
        model = cr.load("digits.safetensors")
        """,
    ),
    "layers": Page(
        "Layers",
        "The layers of a network, with their options, shapes and equations.",
        _families(),
        """
        cr.Conv2D(8, 3, stride=2, padding="same", activation="relu")
        """,
    ),
    "training": Page(
        "Training",
        "Callbacks, early stopping, run folders, and the recipe of a training.",
        {
            "Callbacks": ("Callback",),
            "Run folders": ("Run",),
            "Recipes": ("Recipe",),
        },
    ),
    "results": Page(
        "Results",
        "What the methods of a model return: histories, evaluations, traces.",
        {
            "": (
                *("training.history.History", "training.history.Epoch", "training.metrics.Evaluation"),
                *("training.steps.gradients.Outcome", "models.stepping.BatchGradients", "training.lr_finder.LRSearch"),
                "explain.trace.Trace",
                "check.report.Report",
            )
        },
    ),
    "optimizers": Page(
        "Optimizers",
        "The updates of the parameters, by name or as objects.",
        _module("chainrule.training.optimizers", "NAMED", "Optimizer", "CustomOptimizer", "find"),
        """
        model.fit(x, y, optimizer="adam", learning_rate=0.01)
        model.fit(x, y, optimizer=cr.AdamW(learning_rate=0.01, weight_decay=0.05))
        """,
    ),
    "schedules": Page(
        "Schedules",
        "Learning rates that change with the step.",
        _module("chainrule.training.schedules", "NAMED", "Schedule", "Restarted", "CustomSchedule", "find"),
        """
        model.fit(x, y, learning_rate=0.01, schedule="one-cycle")
        model.fit(x, y, learning_rate=0.01, schedule=cr.Step(epochs=10, gamma=0.1))
        """,
    ),
    "losses": Page(
        "Losses",
        "The losses, by name, and custom losses.",
        {"": tuple(f"losses.{name}" for name in ("NAMES", "find", "default_for", "CustomLoss", "ForwardBackward"))},
        """
        model.fit(x, y, loss="categorical_cross_entropy")
        """,
    ),
    "data": Page(
        "Data",
        "Load known data sets, image folders and files; augment and normalize images.",
        {"": ("Dataset", "Augmentation", "Normalization", *(f"data.{name}" for name in DATA))},
        """
        training, test = cr.data.load("mnist")
        training, test = cr.data.load("pets", size=(64, 64))    # a folder with one subfolder per class
        """,
    ),
    "sklearn": Page(
        "scikit-learn",
        "Networks as scikit-learn estimators, for pipelines, searches, folds, voting and calibration.",
        {"": ("sklearn.ChainruleClassifier", "sklearn.ChainruleRegressor", "sklearn.EXPECTED_FAILED_CHECKS")},
        """
        from chainrule.sklearn import ChainruleClassifier

        classifier = ChainruleClassifier(epochs=20).fit(X, y)
        """,
    ),
    "check": Page(
        "Gradient checks",
        "Check the gradients of layers and losses of your own, and name classic mistakes.",
        {"": ("check_gradients",)},
        """
        print(cr.check_gradients(MyConvolution, against="Conv2D(4, (3, 2), stride=2)"))
        """,
    ),
    "interop": Page("Export", "Write a model for other software.", {"": ("export_onnx",)}),
    "initializers": Page(
        "Initializers",
        "The initial values of parameters.",
        {"": tuple(f"initializers.{name}" for name in INITIALIZERS)},
        """
        cr.Dense(10, initializer="he_normal")
        """,
    ),
    "zoo": Page(
        "Zoo",
        "Named networks with their recipes.",
        {"": tuple(f"zoo.{name}" for name in ("NAMED", "find", "Entry", "Target", "ENTRIES"))},
        """
        model = cr.zoo.find("numpy-cnn").build()
        """,
    ),
    "errors": Page(
        "Errors and warnings",
        "The exceptions of chainrule. Every message is one line that states the problem and what to do.",
        {"": (*public_names()["chainrule.errors"], *(f"errors.{name}" for name in ERRORS))},
    ),
    "reference": Page(
        "Reference",
        "The definition of every operation as literal loops, forward and backward.",
        {"": tuple(f"reference.{name}" for name in sorted(reference.__all__))},
    ),
}
