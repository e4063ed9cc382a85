"""A teacher as large as those that win: LightGBM of 500 × 63 leaves and XGBoost of 500 × depth 6."""

from __future__ import annotations

from sklearn.ensemble import VotingClassifier

LIGHTGBM, XGBOOST = "lightgbm", "xgboost"


def big_teacher(n_estimators: int = 500, n_jobs: int | None = None) -> VotingClassifier:
    """The mean of the probabilities of LightGBM and XGBoost, neither stopped early; not fitted yet.

    Parameters
    ----------
    n_estimators : int, default=500
        Rounds of each.
    n_jobs : int, optional
        Threads of each; None for all cores.
    """
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    common = {"n_estimators": n_estimators, "learning_rate": 0.05, "n_jobs": n_jobs, "random_state": 0}
    members = [
        (LIGHTGBM, LGBMClassifier(num_leaves=63, verbosity=-1, **common)),
        (XGBOOST, XGBClassifier(max_depth=6, **common)),
    ]
    return VotingClassifier(members, voting="soft")
