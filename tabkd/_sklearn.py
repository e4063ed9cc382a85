"""scikit-learn's private functions that tabkd uses: imported only here, so that a change affects only this module."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, Options, StrOptions
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _check_y as check_y

__all__ = [
    "N_JOBS",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "check_method_params",
    "check_sample_weight",
    "check_y",
    "draw_tree",
    "routing_enabled",
    "safe_indexing",
    "validate_params",
]

#: The constraint of `n_jobs`: a number of threads, a negative one counted back from all cores, or None.
N_JOBS = [Interval(Integral, None, -1, closed="right"), Interval(Integral, 1, None, closed="left"), None]


def validate_params(estimator: BaseEstimator) -> None:
    """Refuse parameters that `_parameter_constraints` of the estimator does not allow.

    Raises
    ------
    sklearn.utils._param_validation.InvalidParameterError
        A `ValueError` and a `TypeError` that names the parameter.
    """
    estimator._validate_params()


def draw_tree(tree: Any, texts: dict[int, str], ax: Any = None, **kwargs: Any) -> list:
    """Draw a decision tree like `sklearn.tree.plot_tree`, with other texts in its boxes.

    Parameters
    ----------
    tree : DecisionTreeRegressor
        The fitted tree.
    texts : dict of int to str
        The text of each node.
    ax : matplotlib.axes.Axes, optional
        Where to draw; the current axes by default.
    **kwargs : object
        Further arguments of `sklearn.tree.plot_tree`.
    """
    from sklearn.tree._export import _MPLTreeExporter

    class Exporter(_MPLTreeExporter):
        def node_to_str(self, tree: Any, node_id: int, criterion: Any) -> str:
            return texts[int(node_id)]

    return Exporter(**kwargs).export(tree, ax=ax)
