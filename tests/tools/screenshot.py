# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make screenshot`: updates the picture of an evidence page in the README."""

from __future__ import annotations

import subprocess
import sys

from ..browser.programs import missing
from .workspace import CACHE, ROOT, Shell, exclusive, stage, tools

PICTURE = ROOT / "docs" / "images" / "evidence.png"
MODULE = "ansible_collections.secops.mde.tests.browser.picture"


def main() -> int:
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    environment = tools()
    path = CACHE / "logs" / "screenshot.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with exclusive("screenshot"), path.open("w", encoding="utf-8") as log:
        try:
            environment.build(log)
            run = Shell(environment, stage("screenshot"), log)
            run("python", "-m", MODULE, PICTURE, PYTHONPATH=str(run.collections_path))
        except subprocess.CalledProcessError as error:
            log.flush()
            print(path.read_text("utf-8")[-8000:], error, sep="\n", file=sys.stderr)
            return 1
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
