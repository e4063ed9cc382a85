"""
Counts that cannot be negative
==============================

A teacher with a Poisson loss, and a student that answers above zero by construction.
"""

# %%
# A table of counts
# -----------------

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 6000
X = pd.DataFrame(
    {
        "driver_age": rng.integers(18, 80, n),
        "engine_power": rng.integers(4, 15, n),
        "region": rng.choice(["city", "town", "country"], n),
    }
)
rate = 0.1 * np.exp(1.2 * (X["driver_age"] < 25) + 0.08 * X["engine_power"] + 0.5 * (X["region"] == "city"))
y = rng.poisson(rate)
train, test = slice(0, 4500), slice(4500, n)

# %%
# A student on a logarithmic scale
# --------------------------------
# LightGBM's loss is Poisson's, so its student learns the logarithm of its answers: no row at all can get an answer
# below zero.

from lightgbm import LGBMRegressor

from tabkd import DistilledRegressor

X["region"] = X["region"].astype("category")
teacher = LGBMRegressor(objective="poisson", n_estimators=100, num_leaves=15, verbose=-1, random_state=0)
model = DistilledRegressor(teacher, student="boosted_trees", n_synthetic=5000, random_state=0).fit(X[train], y[train])
print(f"smallest answer: {model.predict(X[test]).min():.3f}")

# %%
# The measure follows the loss
# ----------------------------
# The report compares deviances, because that is what the teacher was fitted for.

report = model.report(X[test], y[test], timing=False)
print(f"{report.metric}: kept {report.skill_kept:.1%}")

# %%
# The mean count by age, of the test rows and of what both predict for them:

by_age = pd.DataFrame(
    {"observed": y[test], "teacher": model.teacher_.predict(X[test]), "student": model.predict(X[test])}
)
axes = by_age.groupby(X[test]["driver_age"].to_numpy() // 10 * 10).mean().plot(xlabel="age", ylabel="mean count")
