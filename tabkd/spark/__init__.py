"""Scores and soft labels in the worker processes of Spark: with `pip install pyspark`."""

from tabkd.spark._dataset import score_dataset
from tabkd.spark._frames import label, score

__all__ = ["label", "score", "score_dataset"]
