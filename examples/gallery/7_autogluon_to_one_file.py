"""
AutoGluon's ensemble in one file
================================

Give a fitted ``TabularPredictor`` as the teacher, and score the student without AutoGluon.
"""

# %%
# .. note::
#
#    This example does not run when the site is built, because AutoGluon is too large to be installed for that. The
#    command ``.ci/autogluon --record`` ran it and put its output and its picture on this page. The project's checks
#    run it again with ``.ci/autogluon``, and fail if the words differ or a number is off by more than a fifth.
#
# To run it yourself, install both from a clone; ``tabkd[distil]`` leaves XGBoost to AutoGluon:
#
# .. code-block:: bash
#
#    pip install 'autogluon.tabular[lightgbm,catboost,xgboost]' './tabkd[distil]'

# %%
# A table
# -------
# Simulated card payments in time order; about one in a hundred is fraud. Text and missing values stay as they are.

from tabkd.datasets import make_card_transactions

payments = make_card_transactions(16_000, random_state=0)
payments = payments.drop(columns=["time_days", "merchant", "terminal"])
past, future = payments[:12_000], payments[12_000:]
X, y = past.drop(columns="fraud"), past["fraud"]
X_test, y_test = future.drop(columns="fraud"), future["fraud"]

# %%
# The ensemble
# ------------
# AutoGluon fits the models of four libraries, each on three folds, and weights them. You would rather give it a
# ``time_limit``; here the number of trees is limited, so that the result does not depend on the speed of the machine.

from pathlib import Path
from tempfile import mkdtemp

from autogluon.tabular import TabularPredictor

folder = Path(mkdtemp())
predictor = TabularPredictor("fraud", eval_metric="log_loss", path=str(folder / "predictor"), verbosity=0)
predictor.fit(
    past,
    hyperparameters={
        "GBM": {},
        "CAT": {"iterations": 100, "learning_rate": 0.1},
        "XGB": {"n_estimators": 200},
        "RF": {"n_estimators": 100},
    },
    num_bag_folds=3,
    ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},  # the others need Ray
    num_gpus=0,
)
print("\n".join(predictor.model_names()))

# %%
# .. code-block:: none
#
#     LightGBM_BAG_L1
#     RandomForest_BAG_L1
#     CatBoost_BAG_L1
#     XGBoost_BAG_L1
#     WeightedEnsemble_L2

# %%
# The student
# -----------
# The predictor goes in as it is. ``persist`` keeps its models in memory, so that they are not read from disk for each
# chunk of rows that they label.

from tabkd import DistilledClassifier

predictor.persist()
model = DistilledClassifier(predictor, n_synthetic=40_000, random_state=0).fit(X, y)
model.to_onnx(folder / "student.onnx")

# %%
# How large both are, and what they import. AutoGluon is measured as a copy that has only what predictions need:

deployed = Path(predictor.clone_for_deployment(str(folder / "deployed")))
files = {"teacher": list(deployed.rglob("*.*")), "student": [folder / "student.onnx"]}
report = model.report(X_test, y_test, metric="average_precision", review=[0.01], timing=False)
for who in ("teacher", "student"):
    kilobytes = sum(file.stat().st_size for file in files[who]) / 1000
    print(f"{who}: {kilobytes:.0f} kB, files: {len(files[who])}")
    print("    imports", ", ".join(report.costs[who]["packages"]))

# %%
# .. code-block:: none
#
#     teacher: 4357 kB, files: 23
#         imports autogluon, catboost, lightgbm, networkx, numpy, pandas, scikit-learn, xgboost
#     student: 24 kB, files: 1
#         imports numpy, onnxruntime

# %%
# What was kept
# -------------
# The skill of both on the later payments, which neither has seen. Few of them are fraud, so the interval is wide:

from sklearn.metrics import average_precision_score, log_loss

for who in ("teacher", "student"):
    fraud = report.scores[who][:, 1]
    print(f"{who}: average precision {average_precision_score(y_test, fraud):.3f}")
    print(f"    log loss {log_loss(y_test, fraud):.4f}")
low, high = report.skill_kept_interval
print(f"kept {report.skill_kept:.0%} of the average precision ({low:.0%} to {high:.0%})")

# %%
# .. code-block:: none
#
#     teacher: average precision 0.341
#         log loss 0.0364
#     student: average precision 0.360
#         log loss 0.0364
#     kept 106% of the average precision (94% to 122%)
#
# A team that can review one payment in a hundred gets nearly the same alerts from both:

[budget] = report.review
print(f"{budget['alerts']:.0f} alerts by the ensemble")
print(f"{budget['same']:.0f} of them by the student too")

# %%
# .. code-block:: none
#
#     40 alerts by the ensemble
#     38 of them by the student too

# %%
# Without AutoGluon
# -----------------
# A new process scores the file, and says which of the libraries of the training it has imported:

import subprocess
import sys

X_test.to_parquet(folder / "new.parquet")
program = """
import sys
import pandas as pd
from tabkd import load

scores = load("student.onnx").predict_proba(pd.read_parquet("new.parquet"))
print("scores:", scores.shape)
for name in ("autogluon", "catboost", "lightgbm", "sklearn", "xgboost"):
    print(name, "was imported" if name in sys.modules else "was not needed")
"""
print(subprocess.check_output([sys.executable, "-c", program], cwd=folder, text=True))

# %%
# .. code-block:: none
#
#     scores: (4000, 2)
#     autogluon was not needed
#     catboost was not needed
#     lightgbm was not needed
#     sklearn was not needed
#     xgboost was not needed

# %%
# Row by row
# ----------
# The student's probability of fraud against the ensemble's, for all of the later payments:

import matplotlib.pyplot as plt

# sphinx_gallery_thumbnail_path = 'pictures/autogluon.png'
figure, axes = plt.subplots()
axes.scatter(report.scores["teacher"][:, 1], report.scores["student"][:, 1], s=6, alpha=0.4)
axes.axline((0.01, 0.01), (0.1, 0.1), color="gray", linewidth=1)
axes.set(xscale="log", yscale="log", xlabel="ensemble", ylabel="student")
figure.tight_layout()

# %%
# .. image:: /pictures/autogluon.png
#    :alt: The probabilities of the student against those of the ensemble, close to the diagonal
