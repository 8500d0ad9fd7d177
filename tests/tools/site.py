# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation site, without a warning and without the network: pages of plugins, of the role, and guides."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

from .workspace import CACHE, Shell

SITE = CACHE / "site"


def build(run: Shell) -> None:
    """Build the site from a copy of the collection, and replace the last one."""
    work = run.collections_path / "site"
    pages = work / "rst"
    pages.mkdir(parents=True, mode=0o700)
    source = run.tree / "docs" / "site"
    shutil.copytree(run.tree / "docs" / "images", work / "images")  # beside the pages, as in the repository
    run(
        "antsibull-docs",
        "collection",
        *("--use-current", "--squash-hierarchy", "--fail-on-error", "--no-add-antsibull-docs-version"),
        *("--cleanup=everything", f"--dest-dir={pages}", "secops.mde"),
    )
    write_inventory(source / "ansible-core.txt", pages / "ansible-core.inv")
    run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "-c", source, pages, work / "html")
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(work / "html", SITE)
    print(f"Site: {SITE / 'index.html'}", file=run.log)


def write_inventory(table: Path, inventory: Path) -> None:
    """Write an inventory of Sphinx from its lines: name, domain and role, priority, URL, title."""
    header = "# Sphinx inventory version 2\n# Project: ansible\n# Version: \n# The remainder of this file is compressed using zlib.\n"
    inventory.write_bytes(header.encode() + zlib.compress(table.read_bytes()))
