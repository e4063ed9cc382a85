"""The search for the smallest student that will do."""

from tabkd._search.budget import Budget
from tabkd._search.search import DistillationSearch

__all__ = ["Budget", "DistillationSearch"]
