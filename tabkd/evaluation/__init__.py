"""Evaluation of distilled models: how much of the teacher's skill the student keeps, and what distilling gains."""

from tabkd.evaluation._displays import ContributionDisplay, FidelityDisplay, ParetoDisplay
from tabkd.evaluation._evaluate import evaluate
from tabkd.evaluation._report import Report

__all__ = ["ContributionDisplay", "FidelityDisplay", "ParetoDisplay", "Report", "evaluate"]
