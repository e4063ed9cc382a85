"""What tests of Spark know of their table."""

N_ROWS = 20_000
#: Those that the model reads.
COLUMNS = ["amount", "a `b`", "shop"]
