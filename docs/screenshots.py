"""Take the pictures of the guide in headless Chromium: a report, a comparison, and the drift of many jobs.

Run it from the root of a clone, with Debian's Chromium installed: ``.venv/bin/python docs/screenshots.py``. With
``--all DIR`` the pages themselves and further pictures of them, dark, narrow and on paper, go to a folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from tabkd.datasets import make_card_transactions

PICTURES = Path(__file__).parent / "pictures"
# Width and height of each picture.
SIZES = {"report": (1080, 1500), "compare": (1080, 1500), "monitor": (1080, 1300)}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
DARK = "--blink-settings=preferredColorScheme=0"
ROWS, MONTHS = 20_000, 8
FEATURES = ["amount", "amount_to_usual", "hour", "channel", "terminal_declines_previous_day"]


def main() -> None:
    """Make the pages, and draw each of them at its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="DIR", help="Where further pictures and the pages go.")
    folder = parser.parse_args().all
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("There is no Chromium on the PATH: apt-get install chromium.")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for name, page in {"report": report(work), "compare": compare(work), "monitor": monitor(work)}.items():
            width, height = SIZES[name]
            draw(browser, page, PICTURES / f"{name}.png", width, height)
            if folder is not None:
                folder.mkdir(exist_ok=True)
                shutil.copy(page, folder / f"{name}.html")
                draw(browser, page, folder / f"{name}-whole.png", width, 6000)
                draw(browser, page, folder / f"{name}-dark.png", width, height, DARK)
                draw_narrow(browser, page, folder / f"{name}-360.png")
                run_browser(browser, page, f"--print-to-pdf={folder / name}.pdf", "--no-pdf-header-footer")


def report(work: Path) -> Path:
    """The report of the demo."""
    tabkd(work, "demo", "--rows", ROWS, "--output", "demo")
    return work / "demo" / "report.html"


def compare(work: Path) -> Path:
    """A student of fewer columns in place of the demo's student, on the payments that came last."""
    payments = make_card_transactions(ROWS, random_state=0)
    payments[[*FEATURES, "fraud"]][: ROWS // 2].to_parquet(work / "fewer.parquet", index=False)
    tabkd(work, "distill", "fewer.parquet", "--target", "fraud", "--student", "additive", "--output", "fewer")
    payments[ROWS // 2 :].to_parquet(work / "last.parquet", index=False)
    options = ("--segment", "channel", "--html", "compare.html")
    tabkd(work, "compare", "demo/student.onnx", "fewer/student.onnx", "last.parquet", *options)
    return work / "compare.html"


def monitor(work: Path) -> Path:
    """The demo's student over months, from the fourth of which on amounts rise online."""
    payments = make_card_transactions(ROWS, random_state=0)
    summaries, start = [], datetime(2026, 1, 1, 2, tzinfo=UTC)
    for month, rows in enumerate(np.array_split(np.random.default_rng(0).permutation(ROWS), MONTHS)):
        inflated(payments.iloc[rows[: 1500 + 100 * month]], month).to_parquet(work / "month.parquet", index=False)
        options = ("--segment", "channel", "--threshold", "0.2", "--summary", f"{month}.json")
        tabkd(work, "score", "demo/student.onnx", "month.parquet", "--output", "scores.parquet", *options)
        summary = work / f"{month}.json"
        # As if the job had run in this month.
        facts = json.loads(summary.read_text()) | {"time": (start + timedelta(days=30 * month)).isoformat()}
        summary.write_text(json.dumps(facts))
        summaries.append(summary.name)
    tabkd(work, "monitor", *summaries, "--html", "monitor.html")
    return work / "monitor.html"


def inflated(payments: pd.DataFrame, month: int) -> pd.DataFrame:
    """Payments whose amounts rise online, month by month."""
    factor = 1 + 2.0 * max(month - 3, 0) * (payments["channel"] == "online")
    return payments.assign(amount=payments["amount"] * factor, amount_to_usual=payments["amount_to_usual"] * factor)


def tabkd(folder: Path, *arguments: object) -> None:
    """Run a command in a folder."""
    subprocess.run([Path(sys.executable).parent / "tabkd", *map(str, arguments)], check=True, cwd=folder)


def draw(browser: str, page: Path, picture: Path, width: int, height: int, *flags: str) -> None:
    """Draw the upper part of a page."""
    run_browser(browser, page, f"--window-size={width},{height}", f"--screenshot={picture}", *flags)


def draw_narrow(browser: str, page: Path, picture: Path) -> None:
    """Draw a page at 360 pixels, which a frame has: a window of Chromium's is wider."""
    frame = page.with_suffix(".frame.html")
    frame.write_text(f'<body style="margin:0"><iframe src="{page.name}" width="360" height="5000"></iframe>')
    draw(browser, frame, picture, 520, 5000)


def run_browser(browser: str, page: Path, *flags: str) -> None:
    """Open a page with flags of Chromium's."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
