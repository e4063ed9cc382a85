"""Scoring files and tables of any length, batch by batch."""

from tabkd.batch._job import score_batches, score_dataset

__all__ = ["score_batches", "score_dataset"]
