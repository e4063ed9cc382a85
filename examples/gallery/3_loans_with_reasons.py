"""
A credit model with constraints and reasons
===========================================

A sum of functions that people can read, proved to rise with debt, with reasons for every refusal.
"""

# %%
# Simulated loans
# ---------------
# The truth here has no direction in ``age``, rises with ``debt_to_income`` and with payments that were late, and falls
# with ``income``.

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 8000
loans = pd.DataFrame(
    {
        "income": rng.lognormal(10.5, 0.5, n).round(-2),
        "debt_to_income": rng.beta(2, 4, n).round(3),
        "late_payments": rng.poisson(0.6, n),
        "age": rng.integers(20, 75, n),
        "purpose": rng.choice(["car", "house", "business", "other"], n, p=[0.4, 0.3, 0.1, 0.2]),
    }
)
log_odds = -2.4 - 0.8 * np.log(loans["income"] / 36_000) + 3 * loans["debt_to_income"] + 0.7 * loans["late_payments"]
log_odds += (loans["purpose"] == "business") * 0.8 + 0.5 * np.sin(loans["age"] / 9)
default = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
X, y, X_test, y_test = loans[:6000], default[:6000], loans[6000:], default[6000:]

# %%
# Read the model
# --------------
# An additive student has one function for each column, and with ``n_pairs=0`` none of two columns. Those of the
# constrained columns only rise, or only fall.

from tabkd import DistilledClassifier
from tabkd.students import AdditiveStudent

directions = {"debt_to_income": 1, "late_payments": 1, "income": -1}
model = DistilledClassifier(
    student=AdditiveStudent(n_pairs=0), monotonic_cst=directions, n_synthetic=20_000, random_state=0
).fit(X, y)
axes = model.student_.plot(columns=["income", "debt_to_income", "late_payments", "age"])

# %%
# As a scorecard, on the scale that credit teams use: 20 points more halve the odds of a default.

card = model.student_.to_scorecard(pdo=-20, base_points=600, base_odds=0.02)
card.loc[card["column"] == "purpose", ["column", "level", "points"]].round(1)

# %%
# Constraints are proved
# ----------------------
# ``to_onnx`` checks them on the numbers that it writes, for every row there can be, and lists them in the file.

from pathlib import Path
from tempfile import mkdtemp

from tabkd import load

path = Path(mkdtemp()) / "student.onnx"
model.to_onnx(path, contributions=True)
student = load(path)
student.metadata["monotone"]

# %%
# Reasons
# -------
# Contributions of the columns add up to the score of a loan. Here are the two that push the riskiest loans up most:

risky = X_test.iloc[np.argsort(-student.predict_proba(X_test)[:, 1])[:5]]
values = student.contributions(risky).values
order = np.argsort(-values, axis=1)
names = np.array(student.feature_names_in_)
risky.assign(first_reason=names[order[:, 0]], second_reason=names[order[:, 1]])

# %%
# And over all loans, which columns move scores most:

from tabkd.evaluation import ContributionDisplay

display = ContributionDisplay.from_estimator(student, X_test).plot()
