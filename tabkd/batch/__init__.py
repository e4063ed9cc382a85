"""Scoring files of any length, batch by batch."""
