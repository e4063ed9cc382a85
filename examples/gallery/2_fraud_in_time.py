"""
Fraud in time order, from a table to alerts
===========================================

Split by time, look at the alerts within a review budget, and score tomorrow's file.
"""

# %%
# Past and future
# ---------------
# The simulated payments are in time order, and about one in a hundred is fraud. A random split would put payments of
# one stolen card on both sides; the future is what the model will meet.

from tabkd.datasets import make_card_transactions

payments = make_card_transactions(24_000, random_state=0).reset_index(names="id")
past, future = payments[:16_000], payments[16_000:]
X, y = past.drop(columns=["id", "fraud"]), past["fraud"]
X_test, y_test = future.drop(columns=["id", "fraud"]), future["fraud"]

# %%
# Distil
# ------
# Without a teacher of your own, LightGBM and XGBoost teach together. Text and missing values are read as they are.

from tabkd import DistilledClassifier

model = DistilledClassifier(student="boosted_trees", n_synthetic=40_000, random_state=0).fit(X, y)

# %%
# What matters: the alerts
# ------------------------
# A team can review one payment in two hundred. Which of the ensemble's alerts stay, which come and which go?

report = model.report(X_test, y_test, metric="average_precision", review=[0.001, 0.005, 0.01, 0.05], timing=False)
for budget in report.review:
    print(
        f"{budget['budget']:.1%} of the payments: {budget['alerts']:.0f} alerts, "
        f"{budget['same']:.0f} stay, {budget['come']:.0f} come, {budget['go']:.0f} go"
    )

# %%
# How much fraud each budget finds, with the ensemble and with its student:

import matplotlib.pyplot as plt
import numpy as np

found = {}
for who in ("teacher", "student"):
    ranked = np.argsort(-np.asarray(report.scores[who])[:, 1], kind="stable")
    found[who] = np.cumsum(y_test.to_numpy()[ranked]) / y_test.sum()
share = np.arange(1, len(y_test) + 1) / len(y_test)
figure, axes = plt.subplots()
for who, style in (("teacher", "-"), ("student", "--")):
    axes.plot(share, found[who], style, label=who)
axes.set(xlabel="share of payments reviewed", ylabel="share of fraud found", xscale="log", xlim=(1e-3, 1))
axes.legend()

# %%
# The nightly job
# ---------------
# ``score_dataset`` is what ``tabkd score`` runs: every row once, whole or not at all, with the drift from the training
# rows in its summary.

from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from tabkd.batch import score_dataset

folder = Path(mkdtemp())
model.to_onnx(folder / "student.onnx")
future.drop(columns="fraud").to_parquet(folder / "tonight.parquet", index=False)
done = score_dataset(
    folder / "student.onnx", [folder / "tonight.parquet"], folder / "alerts.csv", keep=["id"], top_fraction=0.005
)
print(f"{done.read:,} payments read, {done.written} alerts written")
pd.read_csv(folder / "alerts.csv").head()
