"""The example of a service under load: how long a request takes, and how many rows it scores in a second.

Server and clients share the machine, so a machine that does nothing else would score more.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.runs import Runs, markdown
from tabkd import DistilledClassifier
from tabkd.datasets import make_card_transactions

_EXAMPLES = Path(__file__).parents[1] / "examples"
#: What is asked: its address, and the rows of a request.
_ASKED = {"one row": ("/score", 1), "one row with three reasons": ("/score?reasons=3", 1), "100 rows": ("/batch", 100)}
_CLIENTS = (1, 8)


def run(output: Path | None, quick: bool) -> str:
    """Measure what `output` does not hold yet; return the table in Markdown."""
    runs, n_requests = Runs(output, "service"), 20 if quick else 2_000
    keys = [{"asked": asked, "clients": clients, "requests": n_requests} for asked in _ASKED for clients in _CLIENTS]
    if not all(runs.find(**key) for key in keys):
        payments = make_card_transactions(2_000 if quick else 20_000, random_state=0)
        X = payments.drop(columns="fraud")
        model = DistilledClassifier(n_synthetic=1_000 if quick else "auto", random_state=0).fit(X, payments["fraud"])
        rows = json.loads(X[:100].to_json(orient="records"))
        with tempfile.TemporaryDirectory() as folder:
            model.to_onnx(Path(folder) / "student.onnx", contributions=True)
            with _served(Path(folder) / "student.onnx") as port:
                for key in keys:
                    runs.once(key, lambda key=key: _measured(port, rows, **key))
    return runs.write_table(_table([record for key in keys for record in runs.find(**key)]))


@contextmanager
def _served(model: Path) -> Iterator[int]:
    """The port of a server of its own process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "uvicorn", "--factory", "--app-dir", _EXAMPLES, "service:app", "--port", port, "--no-access-log"]
    environment = os.environ | {"TABKD_MODEL": str(model)}
    server = subprocess.Popen([sys.executable, *map(str, command)], env=environment, stderr=subprocess.DEVNULL)
    try:
        while True:
            if server.poll() is not None:
                raise RuntimeError("The service did not start; are fastapi and uvicorn installed?")
            try:
                _ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/healthz")
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


def _ask(connection: http.client.HTTPConnection, method: str, place: str, body: str | None = None) -> float:
    """The seconds until the answer."""
    start = time.perf_counter()
    connection.request(method, place, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{place} answers {answer.status}: {content[:200]!r}")
    return time.perf_counter() - start


def _measured(port: int, rows: list[dict], asked: str, clients: int, requests: int) -> dict:
    """Milliseconds of a request, and rows per second, with some clients that each keep a connection."""
    place, n_rows = _ASKED[asked]
    bodies = [json.dumps(row) for row in rows] if n_rows == 1 else [json.dumps(rows[:n_rows])]

    def client(n: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        return [_ask(connection, "POST", place, bodies[k % len(bodies)]) for k in range(n)]

    client(10)
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        seconds = [second for found in threads.map(client, [requests // clients] * clients) for second in found]
    rate = len(seconds) * n_rows / (time.perf_counter() - start)
    p50, p99 = 1000 * np.quantile(seconds, [0.5, 0.99])
    return {"p50": p50, "p99": p99, "rows_per_second": rate}


def _table(records: list[dict]) -> list[str]:
    rows = [
        [
            record["asked"],
            str(record["clients"]),
            f"{record['p50']:.1f}",
            f"{record['p99']:.1f}",
            f"{record['rows_per_second']:,.0f}",
        ]
        for record in records
    ]
    return markdown(["a request for", "clients", "p50, ms", "p99, ms", "rows/s"], rows)
