"""Students made of trees: one tree, or a sum of some."""
