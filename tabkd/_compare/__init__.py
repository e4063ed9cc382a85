"""What changes when a model replaces another one: `compare` in one pass over the rows, and what it found."""
