# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the documentation site without warnings and without network: pages of the plugins and the role, and guides."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import zlib
from pathlib import Path

from .workspace import CACHE, COLLECTION, Shell

SITE = CACHE / "site"


def build(run: Shell) -> None:
    """Build the site from a copy of the collection, and replace the previous site."""
    # Outside the checkout, because ansible-doc finds no roles in a path with "ansible_collections" twice.
    with tempfile.TemporaryDirectory(prefix="mde-site-") as folder:
        tree = Path(folder) / COLLECTION
        shutil.copytree(run.tree, tree, ignore=shutil.ignore_patterns(".git"))
        html = build_in(Path(folder), dataclasses.replace(run, tree=tree))
        shutil.rmtree(SITE, ignore_errors=True)
        shutil.copytree(html, SITE)
    print(f"Site: {SITE / 'index.html'}", file=run.log)


def build_in(folder: Path, run: Shell) -> Path:
    """Write the pages and the site of the collection in ``folder``, and return the folder of the site."""
    pages, html = folder / "rst", folder / "html"
    pages.mkdir(mode=0o700)  # antsibull-docs refuses a folder that other users can change
    run(
        "antsibull-docs",
        "collection",
        *("--use-current", "--squash-hierarchy", "--fail-on-error", "--no-add-antsibull-docs-version"),
        *("--cleanup=everything", f"--dest-dir={pages}", "secops.mde"),
    )
    settings = run.tree / "docs" / "site"
    write_inventory(settings / "ansible-core.txt", pages / "ansible-core.inv")
    # The guides use paths relative to docs/docsite/rst.
    shutil.copytree(run.tree / "docs" / "images", folder / "images")
    run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "-c", settings, pages, html)
    return html


def write_inventory(table: Path, inventory: Path) -> None:
    """Write a Sphinx inventory from lines with name, domain and role, priority, URL, and title."""
    header = ("Sphinx inventory version 2", "Project: ansible", "Version: ", "The remainder is compressed using zlib.")
    inventory.write_bytes("".join(f"# {line}\n" for line in header).encode() + zlib.compress(table.read_bytes()))
