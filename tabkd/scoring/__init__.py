"""Scoring with exported students."""

from tabkd.scoring.scorer import Scorer, load

__all__ = ["Scorer", "load"]
