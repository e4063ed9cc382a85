"""
The smallest student that will do
=================================

Give a budget of bytes, and see what each size keeps.
"""

# %%
# A budget
# --------
# The teacher is asked once. Candidates learn from a small share of the same rows first, and the best ones from more.
# ``students`` lists what to try; without it, networks, trees, boosted trees and sums of functions compete.

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from tabkd import Budget, DistillationSearch

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
search = DistillationSearch(
    RandomForestClassifier(200, random_state=0),
    budget=Budget(max_bytes=12_000),
    students={
        "tree": {"max_leaf_nodes": [4, 8, 16, 32, 64]},
        "boosted_trees": {"n_estimators": [5, 10, 20], "max_leaf_nodes": [8]},
    },
    random_state=0,
).fit(X, y)
search.best_params_

# %%
# What each size keeps
# --------------------
# Fidelity is the share of the teacher's answers on held-out rows that a student explains. The line joins the students
# that no other beats in both bytes and fidelity.

import pandas as pd

pd.DataFrame(search.front_)[["student", "params", "n_bytes", "fidelity", "chosen"]].round(3)

# %%

from tabkd.evaluation import ParetoDisplay

display = ParetoDisplay.from_search(search).plot()
