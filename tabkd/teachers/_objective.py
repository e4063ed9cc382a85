"""The goal that a teacher was fitted for: the loss of a regressor, or the classes that a classifier favours on purpose.

Both are read from parameters by their names, so that no library is imported: scikit-learn, LightGBM, XGBoost, CatBoost,
and anything that follows their conventions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_class_weight


@dataclass(frozen=True)
class Objective:
    """The loss that a regressor was fitted for.

    Attributes
    ----------
    name : {"squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie", "cross_entropy"}
        The name of the loss.
    parameter : float or None
        The level of a quantile, the power of Tweedie, or the threshold of Huber if it is known.
    """

    name: str = "squared_error"
    parameter: float | None = None

    @property
    def power(self) -> float:
        """The power of the mean to which the loss assumes the variance proportional; 0 for a loss without one."""
        if self.name == "tweedie" and self.parameter is not None:
            return self.parameter
        return {"poisson": 1.0, "gamma": 2.0}.get(self.name, 0.0)

    def lightgbm(self) -> dict[str, Any]:
        """LightGBM's parameters for the same loss, or for the most similar one that it has."""
        if self.name == "quantile":
            return {"objective": "quantile", "alpha": self.parameter}
        if self.name == "huber" and self.parameter is not None:
            return {"objective": "huber", "alpha": self.parameter}
        if self.name == "tweedie" and self.parameter is not None:
            if 1 < self.parameter < 2:
                return {"objective": "tweedie", "tweedie_variance_power": self.parameter}
            return {"objective": "gamma" if self.parameter > 2 else "regression"}
        return {"objective": _LIGHTGBM.get(self.name, "regression")}


_LIGHTGBM = {
    "absolute_error": "regression_l1",
    "poisson": "poisson",
    "gamma": "gamma",
    "cross_entropy": "cross_entropy",
}

# The parameters by which libraries name the loss; the first one that is set counts.
_SPECIFICATIONS = ("objective", "loss_function", "application", "app", "objective_type", "loss", "family", "criterion")
_NAMES = {
    "absolute_error": ("absolute_error", "absoluteerror", "regression_l1", "l1", "mae", "mean_absolute_error", "lad"),
    "huber": ("huber", "pseudohubererror"),
    "quantile": ("quantile", "quantileerror"),
    "poisson": ("poisson", "poisson_deviance"),
    "gamma": ("gamma", "gamma_deviance"),
    "tweedie": ("tweedie", "tweedie_deviance"),
    "cross_entropy": ("cross_entropy", "xentropy", "crossentropy", "logistic", "logloss"),
}
_OBJECTIVES = {alias: name for name, aliases in _NAMES.items() for alias in aliases}
# Estimators whose class determines the loss.
_CLASSES = {
    "PoissonRegressor": "poisson",
    "GammaRegressor": "gamma",
    "TweedieRegressor": "tweedie",
    "QuantileRegressor": "quantile",
    "HuberRegressor": "huber",
}
_PARAMETERS = {
    # scikit-learn's QuantileRegressor has an alpha as well, which is a penalty: `quantile` comes first.
    "quantile": ("quantile", "quantile_alpha", "alpha"),
    "tweedie": ("power", "tweedie_variance_power", "variance_power"),
}
# Weights of classes that are closer together than this favour none: "balanced", if the classes are equally frequent.
_FAVOURED = 1.05
_NUMBER = re.compile(r"\d+\.?\d*(?:e-?\d+)?|\.\d+")


def objective_of(teacher: Any) -> Objective:
    """The loss that a regressor was fitted for; the squared error if it is unknown.

    Looks into frozen estimators, the last step of a pipeline, the best estimator of a search, and the estimator of a
    meta-estimator. An object without parameters may have an attribute `objective`.

    Parameters
    ----------
    teacher : estimator or object
        The regressor.

    Examples
    --------
    >>> from sklearn.linear_model import TweedieRegressor
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> objective_of(make_pipeline(StandardScaler(), TweedieRegressor(power=1.5)))
    Objective(name='tweedie', parameter=1.5)
    """
    if isinstance(teacher, TransformedTargetRegressor):
        found = objective_of(_inner(teacher))
        plain = teacher.func is None and teacher.transformer is None
        # Quantiles stay quantiles on another scale; the mean of logarithms does not become the mean.
        return found if plain or found.name in ("absolute_error", "quantile") else Objective()
    members = _members(teacher)
    if members:
        objectives = {objective_of(member) for member in members}
        return objectives.pop() if len(objectives) == 1 else Objective()
    inner = _inner(teacher)
    return _own_objective(teacher) if inner is None else objective_of(inner)


def _own_objective(estimator: Any) -> Objective:
    params = _params(estimator)
    given = [params[name] for name in _SPECIFICATIONS if params.get(name) is not None]
    text = _CLASSES.get(type(estimator).__name__) or (given[0] if given and isinstance(given[0], str) else "")
    text = re.sub(r"^(reg|count|binary):", "", text.lower())
    match = re.match(r"[a-z_0-9]+", text)
    name = _OBJECTIVES.get(match.group() if match else "", "squared_error")
    number = _NUMBER.search(text[match.end() :]) if match else None
    parameter = float(number.group()) if number else _parameter(estimator, params, name)
    if name == "tweedie":
        at_powers = {0.0: "squared_error", 1.0: "poisson", 2.0: "gamma"}
        if parameter in at_powers:
            return Objective(at_powers[parameter])
    if name in ("quantile", "tweedie") and parameter is None:  # for example several quantiles at once
        return Objective()
    return Objective(name, parameter if name in ("quantile", "tweedie", "huber") else None)


def _parameter(estimator: Any, params: dict[str, Any], name: str) -> float | None:
    library = type(estimator).__module__.partition(".")[0]
    if name == "huber":
        threshold = {"lightgbm": ("alpha", 0.9), "xgboost": ("huber_slope", 1.0)}.get(library)
        return None if threshold is None else _number(params.get(threshold[0]), threshold[1])
    defaults = {"quantile": 0.5 if library == "catboost" else 0.9, "tweedie": 1.5}
    given = [params[key] for key in _PARAMETERS.get(name, ()) if params.get(key) is not None]
    return _number(given[0] if given else None, defaults.get(name))


def _number(value: object, default: float | None) -> float | None:
    """A parameter as a number, even if it is text or the only entry of a list; None for anything else."""
    if value is None:
        return default
    try:
        return float(str(value).strip("[]"))
    except ValueError:
        return None


def class_weights_of(teacher: Any, classes: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, str] | None:
    """The weights of the classes in the fit of a teacher, and the parameter that sets them.

    Parameters
    ----------
    teacher : estimator or object
        The classifier.
    classes : array of shape (K,)
        The labels, sorted.
    codes : array of int of shape (n,)
        Positions of the classes of the training rows, for weights that depend on their frequencies.

    Returns
    -------
    tuple of array of shape (K,) and str, or None
        None if no class is favoured, or if a calibration after the fit reverses the weights.
    """
    members = _members(teacher)
    if members:
        found = [class_weights_of(member, classes, codes) for member in members]
        return next((weights for weights in found if weights is not None), None)
    if isinstance(teacher, CalibratedClassifierCV):
        return None
    inner = _inner(teacher)
    if inner is not None:
        return class_weights_of(inner, classes, codes)
    for name, value in _params(teacher).items():
        read = _WEIGHTS.get(name)
        weights = None if read is None else read(value, np.asarray(classes), np.asarray(codes))
        if weights is not None and weights.max() > _FAVOURED * weights.min():
            return weights, f"{name}={_short(value)}"
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _of_class_weight(value: object, classes: np.ndarray, codes: np.ndarray) -> np.ndarray | None:
    if isinstance(value, str):
        return _balanced(classes, codes) if value.startswith("balanced") else None
    if isinstance(value, dict):
        named = {_plain(key): float(weight) for key, weight in value.items()}
        labels = [_plain(label) for label in classes]
        # A teacher that was fitted on positions has weights by position, not by label.
        keys = labels if set(named) & set(labels) else list(range(len(labels)))
        return np.array([named.get(key, 1.0) for key in keys])
    if isinstance(value, (list, tuple, np.ndarray)) and np.shape(value) == classes.shape:
        return np.array([float(weight) for weight in value])
    return None


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _of_scale(value: object, classes: np.ndarray, codes: np.ndarray) -> np.ndarray | None:
    scale = _number(value, None)
    return np.array([1.0, scale]) if scale is not None and len(classes) == 2 else None


def _of_unbalance(value: object, classes: np.ndarray, codes: np.ndarray) -> np.ndarray | None:
    return _balanced(classes, codes) if value in (True, 1) else None


def _of_automatic(value: object, classes: np.ndarray, codes: np.ndarray) -> np.ndarray | None:
    weights = _balanced(classes, codes) if value in ("Balanced", "SqrtBalanced") else None
    return np.sqrt(weights) if weights is not None and value == "SqrtBalanced" else weights


def _balanced(classes: np.ndarray, codes: np.ndarray) -> np.ndarray:
    weights, present = np.ones(len(classes)), np.unique(codes)
    weights[present] = compute_class_weight("balanced", classes=present, y=codes)
    return weights


_WEIGHTS = {
    "class_weight": _of_class_weight,
    "class_weights": _of_class_weight,
    "scale_pos_weight": _of_scale,
    "is_unbalance": _of_unbalance,
    "unbalance": _of_unbalance,
    "unbalanced_sets": _of_unbalance,
    "auto_class_weights": _of_automatic,
}


def _params(estimator: Any) -> dict[str, Any]:
    """The parameters of an estimator; for an object without `get_params`, those in its attributes."""
    if hasattr(estimator, "get_params"):
        return dict(estimator.get_params(deep=False))
    given = getattr(estimator, "params", None)
    names = ("objective", *_WEIGHTS)
    own = {name: getattr(estimator, name) for name in names if getattr(estimator, name, None) is not None}
    return (dict(given) if isinstance(given, dict) else {}) | own


def _members(teacher: Any) -> list:
    """The estimators whose scores a teacher averages; empty for any other teacher."""
    if isinstance(teacher, (FrozenEstimator, Pipeline)) or not hasattr(teacher, "get_params"):
        return []
    params = _params(teacher)
    if "final_estimator" in params:
        return []
    members = params.get("estimators")
    if isinstance(members, (list, tuple)):
        members = [member[1] if isinstance(member, tuple) else member for member in members]
        return [member for member in members if hasattr(member, "get_params")]
    return []


def _inner(teacher: Any) -> Any:
    """The estimator inside a wrapper; None for any other estimator."""
    if isinstance(teacher, FrozenEstimator):
        return teacher.estimator
    if isinstance(teacher, Pipeline):
        return teacher.steps[-1][1]
    if hasattr(teacher, "best_estimator_"):
        return teacher.best_estimator_
    params = _params(teacher)
    for name in ("final_estimator", "regressor", "classifier", "estimator", "base_estimator"):
        # RandomForest has an attribute `estimator` that is not a parameter, and is not searched for here.
        if hasattr(params.get(name), "get_params"):
            return params[name]
    return None
