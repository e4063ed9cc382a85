"""The additive student."""
