"""The page about tables that do not fit in memory: its code, on a small one."""

import subprocess
import sys
from pathlib import Path

import tabkd
from tabkd.datasets import make_card_transactions
from tests.test_docs import ROOT, code_blocks


def test_the_code_of_the_page_runs(java, tmp_path, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    frame = make_card_transactions(4000, random_state=0)
    (tmp_path / "rows").mkdir()
    for i in range(2):
        frame[i::2].to_parquet(tmp_path / "rows" / f"{i}.parquet", index=False)
    frame[:1000].to_parquet(tmp_path / "sample.parquet", index=False)
    # Spark leaves sockets and threads to the end of its process.
    subprocess.run(
        [sys.executable, "-c", code_blocks(Path(ROOT, "docs", "guide", "tall.md"))], cwd=tmp_path, check=True
    )
    scores = tabkd.load(tmp_path / "student.onnx").predict_proba(frame.drop(columns="fraud"))[:, 1]
    assert scores[frame["fraud"] == 1].mean() > 5 * scores[frame["fraud"] == 0].mean()
