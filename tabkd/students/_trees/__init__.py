"""Students of trees: one tree, or a sum of some."""
