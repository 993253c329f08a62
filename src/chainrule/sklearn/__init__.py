"""Networks as scikit-learn estimators: `ChainruleClassifier` and `ChainruleRegressor`; see docs/scikit-learn.md.

Imports: errors, engines, layers, data, training, models.
"""

import importlib

try:
    importlib.import_module("sklearn")
except ImportError:
    raise ImportError('chainrule.sklearn needs scikit-learn: pip install "chainrule[sklearn]"') from None

from chainrule.sklearn.classifier import ChainruleClassifier
from chainrule.sklearn.regressor import ChainruleRegressor

__all__ = ["ChainruleClassifier", "ChainruleRegressor"]
