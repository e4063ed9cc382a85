"""The encoding of a table that students read."""
