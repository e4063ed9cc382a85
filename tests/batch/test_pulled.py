"""Rows for a function that pulls them in another thread: its errors arrive, and so do those of the job."""

import pyarrow as pa
import pytest

from tabkd.batch._pulled import GivenUpError, Pulled

TABLE = pa.table({"x": [1, 2]})


def put_many(pulled):
    for _ in range(1000):
        pulled.put(TABLE)


def test_all_rows_arrive_in_their_order():
    found = []
    pulled = Pulled(lambda reader: found.append(reader.read_all()), TABLE.schema)
    for i in range(50):
        pulled.put(pa.table({"x": [i, i]}))
    pulled.close()
    assert found[0].column("x").to_pylist() == [i for i in range(50) for _ in range(2)]


def test_an_error_of_the_function_is_raised_by_the_next_call():
    def fail(reader):
        reader.read_next_batch()
        raise ValueError("no more")

    pulled = Pulled(fail, TABLE.schema)
    with pytest.raises(ValueError, match="no more"):
        put_many(pulled)
    pulled.give_up()
    with pytest.raises(ValueError, match="no more"):
        pulled.close()


def test_a_function_that_leaves_rows_over_is_an_error():
    pulled = Pulled(lambda reader: None, TABLE.schema)
    with pytest.raises(RuntimeError, match="rows were left over"):
        put_many(pulled)


def test_a_bug_of_a_library_is_an_error():
    class Panic(BaseException):
        pass

    def panic(reader):
        raise Panic("out of bounds")

    with pytest.raises(RuntimeError, match="Panic: out of bounds"):
        Pulled(panic, TABLE.schema).close()


def test_the_function_fails_where_the_job_has():
    failed = []

    def read(reader):
        try:
            reader.read_all()
        except Exception as error:
            failed.append(error)
            raise

    pulled = Pulled(read, TABLE.schema)
    pulled.put(TABLE)
    pulled.give_up()
    assert isinstance(failed[0], GivenUpError)
