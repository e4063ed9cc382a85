"""Scores and soft labels in the worker processes of Spark: `pip install 'tabkd[spark]'`."""

from tabkd.spark.frames import label, score
from tabkd.spark.job import score_dataset

__all__ = ["label", "score", "score_dataset"]
