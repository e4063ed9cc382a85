"""Take the pictures of the guide: the report of `tabkd demo` in headless Chromium.

Run it from the root of a clone, with Debian's Chromium installed: ``.venv/bin/python docs/screenshots.py``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
# Width and height of each picture.
SIZES = {"report": (1080, 1500)}


def main() -> None:
    """Run the demo, and draw its report at each size."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("There is no Chromium on the PATH: apt-get install chromium.")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "demo" / "report.html"
        demo = ["tabkd", "demo", "--rows", "20000", "--output", str(page.parent)]
        subprocess.run([str(Path(sys.executable).parent / demo[0]), *demo[1:]], check=True)
        for name, (width, height) in SIZES.items():
            flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            flags += [f"--user-data-dir={folder}/{name}", f"--window-size={width},{height}"]
            flags += ["--disable-background-networking", f"--screenshot={PICTURES / name}.png"]
            subprocess.run([browser, *flags, page.as_uri()], check=True, capture_output=True)
            print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
