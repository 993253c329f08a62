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

# For scikit-learn's `check_estimator(…, expected_failed_checks=EXPECTED_FAILED_CHECKS)`
EXPECTED_FAILED_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data": "a sample of weight 2 is in one mini-batch, and two copies may be "
    "in two; with one batch, sums are added in another order, which changes rounding"
}

__all__ = ["EXPECTED_FAILED_CHECKS", "ChainruleClassifier", "ChainruleRegressor"]
