# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make emulator`: runs the local Defender for Endpoint in the foreground, for rehearsals."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t

from .workspace import CACHE, ROOT, Environment


def main() -> t.NoReturn:
    environment = Environment()
    path = CACHE / "logs" / "emulator.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    print("Preparing an environment (the first time takes a minute) ...", flush=True)
    with path.open("w", encoding="utf-8") as log:
        try:
            environment.build(log)
        except subprocess.CalledProcessError as error:
            log.flush()
            print(path.read_text("utf-8"), error, sep="\n", file=sys.stderr)
            sys.exit(1)
    os.chdir(ROOT)
    python = environment.program("python")
    os.execve(python, [python, "-m", "tests.emulator", *sys.argv[1:]], environment.variables())


if __name__ == "__main__":
    main()
