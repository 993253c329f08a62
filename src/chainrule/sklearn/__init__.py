"""Networks as scikit-learn estimators: `ChainruleClassifier` and `ChainruleRegressor`; see docs/scikit-learn.md.

Imports: errors, _io, core, layers, data, network, training, models.
"""

import importlib

from chainrule._io.extras import install_command

try:
    importlib.import_module("sklearn")
except ImportError:
    raise ImportError(f"chainrule.sklearn needs scikit-learn: {install_command('sklearn')}") from None

from chainrule.sklearn.classifier import ChainruleClassifier
from chainrule.sklearn.regressor import ChainruleRegressor

__all__ = ["ChainruleClassifier", "ChainruleRegressor"]
