"""Measurements of tabkd, through its public interface alone."""
