"""
From an ensemble to one file
============================

Fit a forest, distil it, and score the ONNX file without the libraries of the training.
"""

# %%
# A table and an ensemble
# -----------------------
# Any scikit-learn estimator can teach. This forest has 300 trees, each grown until it fits its rows.

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
teacher = RandomForestClassifier(300, random_state=0)

# %%
# Distil
# ------
# The student is a small network by default. It learns from the forest's answers to the rows of the table, and to
# synthetic rows beside them. A forest knows its own rows by heart, so those are answered by the trees that did not have
# them: ``own_rows_`` says so.

from tabkd import DistilledClassifier

model = DistilledClassifier(teacher, random_state=0).fit(X_train, y_train)
model.own_rows_.source

# %%
# One file
# --------
# ``to_onnx`` writes the student with its preprocessing, and only after ONNX Runtime gave the same scores as Python on
# some thousand rows: real, synthetic, with missing values and out of range.

from pathlib import Path
from tempfile import mkdtemp

path = Path(mkdtemp()) / "student.onnx"
model.to_onnx(path)
print(f"{path.stat().st_size:,} bytes; largest difference {model.parity_['max_difference']:.1e}")

# %%
# Anywhere that has ONNX Runtime, the file answers frames, arrays and single rows:

from tabkd import load

student = load(path)
student.predict_proba_one(X_test.iloc[0].to_dict())

# %%
# What was kept
# -------------
# Skill is the gain over a constant on rows that neither has seen; 100 % is the skill of the forest.

report = model.report(X_test, y_test, timing=False)
low, high = report.skill_kept_interval
print(f"kept {report.skill_kept:.1%} of the forest's skill ({low:.1%} to {high:.1%})")

# %%
# Row by row, the student's probability of the second class against the forest's:

from tabkd.evaluation import FidelityDisplay

display = FidelityDisplay.from_report(report).plot()
