"""What a Delta table holds, by an independent reader: the SQL of delta-rs."""

import pyarrow as pa


def rows_of(place):
    """The rows of the latest version, in any order."""
    from deltalake import DeltaTable, QueryBuilder

    return pa.table(QueryBuilder().register("rows", DeltaTable(place)).execute("SELECT * FROM rows"))
