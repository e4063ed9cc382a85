"""What a distillation kept of its teacher, and what it gained."""

from tabkd.evaluation._report import Report, evaluate

__all__ = ["Report", "evaluate"]
