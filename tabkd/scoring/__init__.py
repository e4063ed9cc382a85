"""Scoring with exported students."""

from tabkd.scoring._exported import ExportedStudent
from tabkd.scoring._load import load

__all__ = ["ExportedStudent", "load"]
