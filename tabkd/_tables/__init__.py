"""Columns and tables: kinds, categories, missing values; frames to codes and back."""
