# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces the get-pip.py that ansible-test would download: installs pip from ensurepip."""

from __future__ import annotations

import ensurepip
import os
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    wheels = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if wheels:  # pip runs from its wheel, so it need not be installed first
        sys.path.insert(0, str(wheels[-1]))
    else:  # some distributions have no bundled wheel
        ensurepip.bootstrap()
        os.environ.pop("PIP_CONFIG_FILE", None)  # ensurepip sets it to a file that does not exist
    packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
    sys.argv[1:] = ["install", *packages]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
