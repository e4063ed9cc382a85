"""Displays in the manner of scikit-learn, for users who draw their own figures with matplotlib."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from tabkd.evaluation._report import Report
from tabkd.evaluation._single_score import single_score


def _axes(ax: Any) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plot draws with matplotlib, which is not installed: pip install matplotlib.") from error
    return pyplot.subplots(layout="constrained")[1] if ax is None else ax


class FidelityDisplay:
    """The student's scores against those of its teacher, row by row.

    Parameters
    ----------
    teacher, student : array of shape (n,)
        One score of each row.
    score_name : str, default="score"
        What the score is.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from tabkd.evaluation import FidelityDisplay
    >>> display = FidelityDisplay.from_predictions([0.1, 0.5, 0.9], [0.2, 0.5, 0.8])
    >>> display.teacher.tolist()
    [0.1, 0.5, 0.9]
    """

    def __init__(self, teacher: np.ndarray, student: np.ndarray, *, score_name: str = "score") -> None:
        self.teacher, self.student, self.score_name = teacher, student, score_name

    @classmethod
    def from_report(cls, report: Report) -> Self:
        """The display of a report's scores.

        Parameters
        ----------
        report : Report
            With `scores`.

        Returns
        -------
        FidelityDisplay
            Not yet drawn: call `plot`.

        Raises
        ------
        ValueError
            If the report has no scores, or there are several targets, which have no common unit.
        """
        found = None if report.scores is None else single_score(report.scores)
        if found is None:
            why = "no scores" if report.scores is None else "several targets, which have no common unit"
            raise ValueError(f"report has {why}; give one of a single target, as evaluate returned it.")
        return cls(found.teacher, found.student, score_name=found.name)

    @classmethod
    def from_predictions(cls, teacher: ArrayLike, student: ArrayLike, *, score_name: str = "score") -> Self:
        """The display of two arrays of scores.

        Parameters
        ----------
        teacher, student : array of shape (n,)
            One score of each row.
        score_name : str, default="score"
            What the score is.

        Returns
        -------
        FidelityDisplay
            Not yet drawn: call `plot`.

        Raises
        ------
        ValueError
            If the arrays are not of one shape (n,).
        """
        arrays = [np.asarray(values, dtype=np.float64) for values in (teacher, student)]
        if arrays[0].ndim != 1 or arrays[0].shape != arrays[1].shape:
            raise ValueError(
                f"teacher has shape {arrays[0].shape} and student {arrays[1].shape}; expected one score for each row."
            )
        return cls(*arrays, score_name=score_name)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the rows as hexagons, darker where there are more, and the line where both agree.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; new axes by default.
        **kwargs : object
            Further arguments of `matplotlib.axes.Axes.hexbin`.

        Returns
        -------
        self
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = _axes(ax)
        ax.hexbin(self.teacher, self.student, **{"gridsize": 40, "mincnt": 1, "bins": "log", "cmap": "Blues"} | kwargs)
        both = np.concatenate([self.teacher, self.student])
        low, high = both.min(), both.max()
        ax.plot([low, high], [low, high], linestyle="--", linewidth=1, color="gray")
        ax.set(xlabel=f"teacher: {self.score_name}", ylabel=f"student: {self.score_name}")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ContributionDisplay:
    """The mean absolute contribution of each column to the scores of some rows.

    Parameters
    ----------
    names : list of str
        The columns, the one that contributes most first.
    sizes : array of shape (d,)
        Their mean absolute contributions.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from tabkd import DistilledRegressor
    >>> from tabkd.evaluation import ContributionDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> teacher = RandomForestRegressor(10, random_state=0)
    >>> model = DistilledRegressor(teacher, student="tree", n_synthetic=500, random_state=0).fit(X[:300], y[:300])
    >>> ContributionDisplay.from_estimator(model, X[300:]).names[0]
    's5'
    """

    def __init__(self, names: list[str], sizes: np.ndarray) -> None:
        self.names, self.sizes = names, sizes

    @classmethod
    def from_estimator(cls, model: Any, X: Any) -> Self:
        """The display of a distilled or an exported model.

        Parameters
        ----------
        model : DistilledClassifier, DistilledRegressor or ExportedStudent
            With the method `contributions`.
        X : frame or array of shape (n, d)
            The rows.

        Returns
        -------
        ContributionDisplay
            Not yet drawn: call `plot`.
        """
        return cls.from_contributions(model.contributions(X))

    @classmethod
    def from_contributions(cls, contributions: Any) -> Self:
        """The display of contributions.

        Parameters
        ----------
        contributions : Contributions or shap.Explanation
            What `contributions` returned.

        Returns
        -------
        ContributionDisplay
            Not yet drawn: call `plot`. Several scores count together.
        """
        values = np.abs(np.asarray(contributions.values, dtype=np.float64))
        sizes = values.mean(axis=0 if values.ndim == 2 else (0, 2))
        order = np.argsort(-sizes, kind="stable")
        return cls([str(contributions.feature_names[i]) for i in order], sizes[order])

    def plot(self, ax: Any = None, *, max_display: int = 15) -> Self:
        """Draw a bar for each column.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; new axes by default.
        max_display : int, default=15
            Most columns.

        Returns
        -------
        self
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = _axes(ax)
        shown = slice(0, max_display)
        ax.barh(self.names[shown][::-1], self.sizes[shown][::-1])
        ax.set_xlabel("mean absolute contribution")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ParetoDisplay:
    """The students of a search by the bytes of their files and their fidelity, with the front and the chosen one.

    Parameters
    ----------
    front : list of dict
        As `DistillationSearch.front_`.
    others : array of shape (m, 2), optional
        Bytes and fidelity of further candidates.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from tabkd.evaluation import ParetoDisplay
    >>> small = {"n_bytes": 9000, "fidelity": 0.9, "chosen": False}
    >>> front = [small, {"n_bytes": 12000, "fidelity": 0.95, "chosen": True}]
    >>> [entry["n_bytes"] for entry in ParetoDisplay(front).front]
    [9000, 12000]
    """

    def __init__(self, front: list[dict[str, Any]], others: ArrayLike | None = None) -> None:
        self.front = front
        self.others = np.empty((0, 2)) if others is None else np.asarray(others, dtype=np.float64)

    @classmethod
    def from_search(cls, search: Any) -> Self:
        """The display of a search.

        Parameters
        ----------
        search : DistillationSearch
            Fitted.

        Returns
        -------
        ParetoDisplay
            Not yet drawn: call `plot`.
        """
        results = search.cv_results_
        return cls(search.front_, np.column_stack([results["n_bytes"], results["fidelity"]]))

    @classmethod
    def from_report(cls, report: Report) -> Self:
        """The display of the front that a report holds.

        Parameters
        ----------
        report : Report
            Of a search.

        Returns
        -------
        ParetoDisplay
            Not yet drawn: call `plot`.

        Raises
        ------
        ValueError
            If there was no search.
        """
        if not report.front:
            raise ValueError("report has no front; give one of DistillationSearch.report.")
        return cls(report.front)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the front as a line, other candidates as dots, and a circle around the chosen one.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; new axes by default.
        **kwargs : object
            Further arguments of `matplotlib.axes.Axes.plot` for the front.

        Returns
        -------
        self
            With `ax_` and `figure_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = _axes(ax)
        ax.scatter(*self.others.T, s=12, color="gray")
        ax.plot(*_places(self.front), **{"marker": "o", "markersize": 4} | kwargs)
        chosen = _places([entry for entry in self.front if entry["chosen"]])
        ax.scatter(*chosen, s=120, facecolors="none", edgecolors="black")
        ax.set(xscale="log", xlabel="bytes of the file", ylabel="fidelity to the teacher")
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _places(entries: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    return [entry["n_bytes"] for entry in entries], [entry["fidelity"] for entry in entries]
