"""The report: the findings, and the ways to look at them."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabkd._files import atomic_write_bytes
from tabkd.evaluation import _show as show
from tabkd.evaluation._findings import Findings
from tabkd.evaluation._page.page import core, page
from tabkd.evaluation._store import as_dict

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


class Report(Findings):
    """The measures of a distillation and the verdict on it, made by :func:`evaluate`.

    Two reports are equal if everything but their `scores` is.

    Attributes
    ----------
    task : {"classification", "regression"}
        What the model predicts.
    teacher, student : str
        The names of their classes.
    n_test : int
        The number of test rows.
    metrics : dict of str to dict
        For each contestant (teacher, student, hard, small, prior) its measures. `hard` is the student fitted on
        the labels alone, `small` a LightGBM of the student's bytes on the labels alone, `prior` the best constant
        of the training rows: the class frequencies, or the mean, median or quantile that the teacher's loss calls for.
    fidelity : dict
        How closely the student agrees with the teacher.
    skill_kept : float
        The share of the teacher's skill that the student has, by `metric`; 1 is all of it, and more means better than
        the teacher. Skill is the gain over the prior, for regression over the best constant of the test rows, and for
        ROC AUC over one half. NaN if the teacher has none.
    skill_kept_interval : tuple of float
        Its 95 % bootstrap interval.
    recovered_gap : float or None
        The share of the gap between the hard-label student and the teacher that distilling closed; None
        if no hard-label student was fitted, NaN if the gap is negligible or cannot be distinguished from zero.
    recovered_gap_interval : tuple of float or None
        Its 95 % bootstrap interval.
    verdict : {"distil", "do not distil", "cannot tell"}
        "distil" if the student leads every rival beyond chance, and by more than one percent of the teacher's skill.
        Otherwise `advice` says why not.
    advice : str
        The verdict and its reason in a sentence.
    why : str
        The second half of `advice`: the reason for the verdict.
    warnings : list of str
        What else a user should know, such as classes that the student misses, or a large file.
    metric : str
        The measure that decided, by the name of scikit-learn's scorer.
    measure : str
        The same measure, by its name in `metrics`.
    reasons : dict of str to str
        Why `metric` is not the usual one, and why a value is not defined.
    per_class : dict
        For each class its support, teacher_recall and student_recall; empty for a regression.
    n_bytes : int or None
        The size of the ONNX file; None without a file.
    speed : dict or None
        For student and teacher rows_per_second, batch_ms, one_row_p50_us and one_row_p99_us; batch_size; ratio, of
        their rows per second, and ratio_one_row, of their times for one row. None if speed was not measured.
    parity : dict or None
        rows that ONNX Runtime and Python scored, and the max_difference between them; None without an ONNX file.
    against_teacher : dict or None
        How often the student moves against its teacher if one numeric column of a test row is moved up by a tenth of
        its values: the share of such moves for which both change by more than a hundredth of the standard deviation of
        the teacher's scores, in opposite directions; the number of moves; and the share of each column with such moves,
        by its name in columns. None for more than two classes or several targets.
    classes : list
        The labels; empty for a regression.
    doubt : dict or None
        How far the student is from the teacher on the test rows, by bands of the student's score: ``edges`` and
        ``bands``, each with its ``rows`` and the points that 50, 90 and 99 % of new rows do not exceed; see
        `DistilledClassifier.measure_doubt`. None for several targets.
    segments : list of dict
        The ranges and levels of single columns in which the student is farthest from the teacher: column, segment,
        rows, difference (its mean), times (of the mean of all rows), teacher_loss and student_loss (the mean log-loss
        or squared error). Empty for several targets.
    worst_rows : list of dict
        The test rows in which the student is farthest from the teacher: row (the position), teacher, student, outcome
        and values.
    costs : dict or None
        For teacher and student the bytes, packages and trees; the teacher's bytes are those of its pickle. ``memory``:
        the peak in bytes of a new process that loads the model and scores up to 10,000 test rows, with all packages
        that it needs; None if it was not measured, and ``memory_reason`` says why.
    monotone : dict of str to int
        1 or -1 for each column with which the student's score is proved to rise only, or fall only.
    drift : dict or None
        score_stability_index, of the student's scores of the test rows against the training rows, and columns with
        stability_index, missing and missing_in_training.
    provenance : dict or None
        settings, versions, platform, the SHA-256 of test_rows and model, own_rows (where the soft targets of the
        labelled rows came from: source, optimism, spikes), labelling (how many synthetic rows the teacher labelled:
        n_rows, n_wanted, rows_per_second, n_chosen), network (of an MLP: hidden_layer_sizes, unexplained), and for
        `tabkd distill` the command.
    review : list of dict
        Which rows are alerts of student and teacher, for each review budget: ``budget``, the share of the test rows
        that have the highest scores, and ``alerts``, their number; ``teacher_threshold``, and ``student_threshold``,
        from which the student gives as many; ``teacher_ties`` and ``student_ties``: how many of the ``alerts`` only the
        order of equal scores decides, and how many ``rows`` have this score; the alerts that are the ``same``, those
        that ``come`` with the student and those that ``go``, which are as many; ``changed``, the share of the teacher's
        alerts that go, and ``changed_interval``, its exact 95 % interval; ``worth``, the share of the second class
        among the rows that stay, come and go, or their mean value; ``reason``, why there is no interval. Rows that tie
        at a threshold count by the share of them that the budget has place for, and weighted rows by their weight. The
        score is the probability of the second class, or the predicted value; empty for more classes and for several
        targets, and ``reasons["review"]`` says so.
    front : list of dict
        After a search, the candidates that no other beats in both bytes and fidelity, and the chosen one: student,
        params, n_bytes, fidelity, skill_kept (on the rows of the search), latency_us, the share of the lessons that it
        learnt from, and whether it was chosen. Empty without a search.
    scores : Scores or None
        What every contestant predicted for the test rows: ``report.scores["student"]`` is of shape (n, K) for classes,
        and of the shape of ``report.scores.truth`` for real values. ``scores.truth`` holds the labels as positions in
        ``scores.classes``, or the real values, ``scores.sample_weight`` the weights or None. They take 8 bytes for each
        row, class and contestant, and are in a pickle of the report but not in `to_dict`;
        ``dataclasses.replace(report, scores=None, exhibits=None)`` leaves them out.
    exhibits : object or None
        What only the page shows: figures, rules and the student. They are made when a page or a pickle needs them;
        until then the report holds the model and the test rows. They are not in `to_dict`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from tabkd import DistilledClassifier
    >>> from tabkd.evaluation import evaluate
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> teacher = RandomForestClassifier(20, random_state=0)
    >>> model = DistilledClassifier(teacher, student="tree", n_synthetic=500, random_state=0)
    >>> report = evaluate(model.fit(X[:300], y[:300]), X[300:], y[300:])
    >>> list(report.metrics)
    ['teacher', 'student', 'prior']
    >>> report.verdict
    'cannot tell'
    >>> report.advice
    'Cannot tell whether to distil: the student was not compared with a rival. Pass X_train and y_train to `report` or
    `evaluate`; `evaluate` also needs `exported`, the student that tabkd.load returns.'
    >>> report.scores["student"].shape
    (269, 2)
    >>> bool((report.scores.truth == y[300:]).all())
    True
    """

    def __repr__(self) -> str:
        return show.text(self)

    def _repr_html_(self) -> str:
        return core(self)

    def to_html(self, path: str | PathLike | None = None) -> str:
        """The report as one file that a browser opens without a network, with the student in it to try.

        Parameters
        ----------
        path : str or path, optional
            Where to write it.

        Returns
        -------
        str
            The HTML. The student is in it if `exported` was given to :func:`evaluate`.
        """
        content = page(self)
        if path is not None:
            atomic_write_bytes(Path(path), content.encode("utf-8", "backslashreplace"))
        return content

    def to_json(self, path: str | PathLike | None = None) -> str:
        """`to_dict` as JSON text.

        Parameters
        ----------
        path : str or path, optional
            Where to write it.

        Returns
        -------
        str
            The text.
        """
        content = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        if path is not None:
            atomic_write_bytes(Path(path), content.encode("utf-8", "backslashreplace"))
        return content

    def to_frame(self) -> pd.DataFrame:
        """The measures as a frame.

        Returns
        -------
        pandas.DataFrame
            A row for each measure and a column for each contestant.
        """
        import pandas as pd

        return pd.DataFrame(self.metrics)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain types for JSON, without `scores`.

        Returns
        -------
        dict
            The attributes by name: plain types, None for what is not a finite number.
        """
        return as_dict(self)

    def to_table(self) -> Table:
        """The measures as a table for the terminal.

        Returns
        -------
        rich.table.Table
            A row for each measure and a column for each contestant; the measure that decides is bold.
        """
        return show.table(self)

    def summary(self) -> list[tuple[str, str]]:
        """The headlines: what was kept, and what was gained.

        Returns
        -------
        list of tuple of str
            Each headline with its value.
        """
        return show.summary(self)
