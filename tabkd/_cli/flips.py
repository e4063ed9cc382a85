"""The gate of `tabkd distill --max-flips`: no student that changes more of its teacher's alerts than allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tabkd._cli.errors import CommandError

if TYPE_CHECKING:
    from tabkd._cli.split import Split


def check_given(max_flips: float | None, review: Sequence[float]) -> None:
    """Refuse a gate without a budget.

    Raises
    ------
    CommandError
        If there is none.
    """
    if max_flips is not None and not review:
        raise CommandError(
            f"--max-flips {max_flips:g} needs --review, the share of rows that become alerts, such as 0.005."
        )


def check_enough(max_flips: float | None, review: Sequence[float], split: Split) -> None:
    """Refuse, before anything is fitted, a gate that the test rows cannot decide.

    Raises
    ------
    CommandError
        If too few test rows alert, or the target has more than two classes.
    """
    if max_flips is None:
        return
    import numpy as np

    from tabkd._review import LEAST_ALERTS, n_alerts

    n_classes = len(np.unique(split.y_train)) if split.task == "classification" else 2
    if n_classes != 2:
        raise CommandError(
            f"--max-flips ranks rows by the second of two classes, but {split.target!r} has {n_classes}; leave it out."
        )
    n_test, budget = len(split.y_test), min(review)
    if (alerts := n_alerts(budget, n_test)) < LEAST_ALERTS:
        raise CommandError(
            f"--max-flips needs at least {LEAST_ALERTS} alerts to measure on, but --review {budget:g} of "
            f"{n_test:,} test rows is {alerts:g}. Give {LEAST_ALERTS / budget:,.0f} test rows or more with --test or "
            "--test-size, or a larger --review."
        )


def check_flips(max_flips: float | None, review: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a student that changes more of the alerts than allowed, at any budget.

    Parameters
    ----------
    max_flips : float or None
        The largest share of the teacher's alerts that may change; None for any.
    review : sequence of mapping
        The budgets of a report.

    Raises
    ------
    CommandError
        If the share is larger at a budget.
    """
    for entry in review if max_flips is not None else ():
        if entry["changed"] > max_flips:
            low, high = entry["changed_interval"]
            ties = entry["student_ties"]["alerts"]
            of_ties = f" Equal scores of the student decide {ties:,.3g} alerts: another --student has fewer."
            raise CommandError(
                f"the student changes {entry['changed']:.1%} of the teacher's {entry['alerts']:,.4g} alerts at "
                f"--review {entry['budget']:g} (95 % interval {low:.1%} to {high:.1%}), more than --max-flips "
                f"{max_flips:g}; nothing was written.{of_ties if ties else ''} Try more --n-synthetic rows, another "
                "--student, or a larger --max-flips."
            )
