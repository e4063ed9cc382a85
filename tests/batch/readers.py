"""What a file holds, for each suffix that tabkd writes."""

import json

import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet


def _json_lines(path):
    """Columns of an independent reader; what JSON does not know, such as NaN, is an error."""
    rows = [json.loads(line, parse_constant=_refuse) for line in path.read_text("utf-8").splitlines()]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def _refuse(constant):
    raise ValueError(f"{constant} is not JSON")


#: By suffix, a function of the path that gives the columns as lists.
READERS = {
    ".parquet": lambda path: pyarrow.parquet.read_table(path).to_pydict(),
    ".csv": lambda path: pyarrow.csv.read_csv(path).to_pydict(),
    ".arrow": lambda path: pyarrow.feather.read_table(path).to_pydict(),
    ".feather": lambda path: pyarrow.feather.read_table(path).to_pydict(),
    ".jsonl": _json_lines,
}
