# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make chromium`: installs the browser for the tests of the evidence page from the distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from ..browser.programs import missing

PACKAGES = ("chromium", "chromium-driver")


def main() -> int:
    """Install the browser if this needs no confirmation. Otherwise print what is missing."""
    if missing() and os.geteuid() == 0 and shutil.which("apt-get"):
        settings = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (("update", "-qq"), ("install", "-qq", "--yes", "--no-install-recommends", *PACKAGES)):
            subprocess.run(["apt-get", *command], env=settings, stdin=subprocess.DEVNULL, check=False)
    if reason := missing():
        print(
            f"The tests of the evidence page will be skipped. {reason[:1].upper()}{reason[1:]}, as root.",
            file=sys.stderr,
        )
        return 1
    print("Chromium and its chromedriver are installed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
