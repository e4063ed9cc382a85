"""What a distillation kept of its teacher, and what it gained."""

from tabkd.evaluation._evaluate import evaluate
from tabkd.evaluation._report import Report

__all__ = ["Report", "evaluate"]
