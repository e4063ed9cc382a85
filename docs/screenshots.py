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

import pandas as pd

from tabkd.datasets import make_card_transactions

PICTURES = Path(__file__).parent / "pictures"
# Width and height of each picture.
SIZES = {"report": (1080, 1500), "compare": (1080, 1500), "monitor": (1080, 1300)}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
DARK = "--blink-settings=preferredColorScheme=0"
FEATURES, MONTHS = ["amount", "amount_to_usual", "hour", "channel", "terminal_declines_previous_day"], 8


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
    tabkd("demo", "--rows", "20000", "--output", work / "demo")
    return work / "demo" / "report.html"


def compare(work: Path) -> Path:
    """An additive student of fewer columns in place of the demo's student."""
    payments = make_card_transactions(20_000, random_state=0)
    table = work / "fewer.parquet"
    payments[[*FEATURES, "fraud"]].to_parquet(table, index=False)
    tabkd("distill", table, "--target", "fraud", "--student", "additive", "--output", work / "fewer")
    rows, page = work / "rows.parquet", work / "compare.html"
    make_card_transactions(20_000, random_state=1).to_parquet(rows, index=False)
    both = (work / "demo" / "student.onnx", work / "fewer" / "student.onnx")
    tabkd("compare", *both, rows, "--segment", "channel", "--html", page)
    return page


def monitor(work: Path) -> Path:
    """The demo's student over months in which amounts rise, the last ones more."""
    summaries, start = [], datetime(2026, 1, 1, 2, tzinfo=UTC)
    for month in range(MONTHS):
        rows, summary = work / f"month{month}.parquet", work / f"month{month}.json"
        inflated(make_card_transactions(4_000 + 200 * month, random_state=month), month).to_parquet(rows, index=False)
        options = ("--segment", "channel", "--threshold", "0.5", "--summary", summary)
        tabkd("score", work / "demo" / "student.onnx", rows, "--output", work / "scores.parquet", *options)
        # As if the job had run in this month.
        facts = json.loads(summary.read_text()) | {"time": (start + timedelta(days=30 * month)).isoformat()}
        summary.write_text(json.dumps(facts))
        summaries.append(summary)
    tabkd("monitor", *summaries, "--html", work / "monitor.html")
    return work / "monitor.html"


def inflated(payments: pd.DataFrame, month: int) -> pd.DataFrame:
    """Payments whose amounts rise by the month, and from the sixth month on much more online."""
    factor = 1.04**month * (1 + 1.5 * (payments["channel"] == "online") * max(month - 4, 0))
    return payments.assign(amount=payments["amount"] * factor, amount_to_usual=payments["amount_to_usual"] * factor)


def tabkd(*arguments: object) -> None:
    """Run a command."""
    subprocess.run([Path(sys.executable).parent / "tabkd", *map(str, arguments)], check=True)


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
