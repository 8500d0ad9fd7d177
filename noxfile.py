# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions of antsibull-nox.toml, for those who know them from other collections. `make test` does more."""

from __future__ import annotations

import antsibull_nox
import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.envdir = ".cache/nox"

antsibull_nox.load_antsibull_nox_toml()
