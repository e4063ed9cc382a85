"""Scoring with exported students."""

from tabkd.scoring._exported import ExportedStudent, load

__all__ = ["ExportedStudent", "load"]
