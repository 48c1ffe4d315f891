"""What an answer came from: which features, how much each, and how sure that is.

    a = aml.explain.shapley(net, x, background)
    a.importance("omega_m")
    aml.plot.shap_swarm(a, "omega_m")

``shapley`` shares a model's predictions out among the features of their rows, exactly or by
sampling with standard errors; ``expected_gradients`` does it for networks of many features.
``retrain`` fits a model anew without features or with few, and compares scores. ``pca`` and
``correlations`` look at the data alone.

Tables are (n, feature) arrays, or data frames, astropy's tables and structured arrays, whose columns
have names. The same input and seed give the same bits on any number of threads.
"""

from ._correlations import correlations
from ._pca import PCA, pca
from ._retrain import retrain
from ._shapley import Attribution, expected_gradients, shapley

__all__ = ["Attribution", "PCA", "correlations", "expected_gradients", "pca", "retrain", "shapley"]
