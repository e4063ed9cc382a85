"""The MLP student."""
