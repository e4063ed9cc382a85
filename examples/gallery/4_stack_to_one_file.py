"""
A stack of several libraries in one file
========================================

LightGBM, XGBoost and a forest, stacked: no converter takes it as a whole, but a student learns it.
"""

# %%
# The stack
# ---------
# Three libraries under a logistic regression. It is fitted already, and ``FrozenEstimator`` keeps it as it is.

from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
members = [
    ("lightgbm", LGBMClassifier(n_estimators=30, num_leaves=7, verbose=-1, random_state=0)),
    ("xgboost", XGBClassifier(n_estimators=30, max_depth=3, random_state=0)),
    ("forest", RandomForestClassifier(50, random_state=0)),
]
stack = StackingClassifier(members, LogisticRegression(), cv=2).fit(X_train, y_train)

# %%
# The student
# -----------

from tabkd import DistilledClassifier

model = DistilledClassifier(FrozenEstimator(stack), student="additive", n_synthetic=5000, random_state=0).fit(
    X_train, y_train
)
report = model.report(X_test, y_test, timing=False)
print(f"kept {report.skill_kept:.1%} of the stack's skill")

# %%
# What it costs
# -------------
# The pickle of the stack needs three libraries to be read; the student needs ONNX Runtime. Beside the kilobytes, how
# often each is right:

import matplotlib.pyplot as plt

kilobytes = {who: report.costs[who]["bytes"] / 1024 for who in ("teacher", "student")}
accuracy = {"teacher": stack.score(X_test, y_test), "student": model.score(X_test, y_test)}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.bar(list(kilobytes), list(kilobytes.values()))
left.set(ylabel="kilobytes", yscale="log")
right.bar(list(accuracy), list(accuracy.values()))
right.set(ylabel="accuracy on test rows")
figure.tight_layout()
accuracy
