"""Scoring with exported students; ONNX Runtime, NumPy and pandas are all that it needs, and pyarrow for whole files."""

from tabkd.scoring.scorer import Scorer, load

__all__ = ["Scorer", "load", "score_batches", "score_dataset"]


def __getattr__(name):
    # Not before they are asked for: a service that scores single rows has no pyarrow to wait for.
    if name in ("score_batches", "score_dataset"):
        from tabkd.batch import job

        return getattr(job, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
