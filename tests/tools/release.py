# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make release`: builds and checks the archive to publish.

Checks that all files have the same version, builds the archive, checks it with the importer of Galaxy, follows the page
"First steps" with it in an empty environment, and runs the demo with the installed collection. Publishes nothing.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path

from . import check, demo
from .workspace import CACHE, HOME, ROOT, Environment, Shell, stage, tools

RELEASE = CACHE / "release"

# The files with the version, and the pattern of its line. In the changelog, the newest release counts.
VERSION = {
    "galaxy.yml": r"^version: (\S+)$",
    "plugins/module_utils/_version.py": r'^COLLECTION_VERSION = "(.+)"$',
    "changelogs/changelog.yaml": r"^  (\d+\.\d+\.\d+):$",
}


BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)


class ReleaseError(Exception):
    """The checkout is not ready for a release."""


def version_of(root: Path, tag: str | None = None) -> str:
    """Return the version, which must be the same in all files and in the tag, if any. Raises ReleaseError."""
    found = {
        file: max(re.findall(pattern, (root / file).read_text("utf-8"), re.MULTILINE), key=_numbers)
        for file, pattern in VERSION.items()
    }
    named = found | ({"the tag": tag} if tag else {})
    if len(set(named.values())) > 1:
        listed = ", ".join(f"{version} in {place}" for place, version in named.items())
        raise ReleaseError(f"The versions differ: {listed}.")
    if fragments := sorted(path.name for path in (root / "changelogs" / "fragments").glob("*.y*ml")):
        raise ReleaseError(
            f"Fragments are not in the changelog. Run antsibull-changelog release: {', '.join(fragments)}."
        )
    return str(found["galaxy.yml"])


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def check_commit() -> None:
    """Raise ReleaseError if changes are not committed."""
    command = ["git", "status", "--porcelain"]
    changes = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if changes:
        raise ReleaseError(f"These changes are not committed:\n{changes}")


def release(version: str, log: t.IO[str]) -> Path:
    """Build, check, install and try the collection. Return the archive."""
    environment = tools()
    print("Building the collection and passing it to the importer of Galaxy ...", flush=True)
    environment.build(log)
    run = Shell(environment, stage("release"), log)
    check.importer(run)
    (archive,) = (run.collections_path / "build").glob("*.tar.gz")
    if archive.name != f"secops-mde-{version}.tar.gz":
        raise ReleaseError(f"The archive has an unexpected name: {archive.name}.")
    archive = Path(shutil.copy(archive, RELEASE))

    user = Environment(requirements=(), purpose="release")
    shutil.rmtree(user.path, ignore_errors=True)
    user.build(log)
    service = Environment()
    service.build(log)
    shutil.rmtree(demo.SCRATCH, ignore_errors=True)
    demo.SCRATCH.mkdir(parents=True)
    print('Following the page "First steps" in an empty environment ...', flush=True)
    with demo.emulator(service, run.tree, log):
        follow_first_steps(Shell(user, run.tree, log), archive)
    collection = demo.install(Shell(user, run.tree, log), archive)
    paths = {"ANSIBLE_COLLECTIONS_PATH": str(demo.SCRATCH)}
    for kind, name in (
        ("module", "mde_offboard"),
        ("role", "mde"),
        ("inventory", "mde_machines"),
        ("filter", "parse_devices"),
    ):
        Shell(user, demo.SCRATCH, log)("ansible-doc", "-t", kind, f"secops.mde.{name}", cwd=demo.SCRATCH, **paths)

    print("Running the demo with the installed collection ...\n", flush=True)
    if demo.run_demo(user, service, collection, log) != 0:
        raise ReleaseError("The demo failed.")
    return archive


def follow_first_steps(run: Shell, archive: Path) -> None:
    """Run the commands of the page with an empty home directory, and install the archive instead of the release."""
    home = RELEASE / "home"
    shutil.copytree(HOME / ".config", home / ".config")  # pip's settings
    page = (ROOT / "docs" / "docsite" / "rst" / "guide_first_steps.rst").read_text("utf-8")
    script = ["set -eux"]
    for language, indented in BLOCK.findall(page):
        text = textwrap.dedent(indented)
        if language == "yaml":
            (home / "first.yml").write_text(text, "utf-8")
        else:
            script.append(
                text.replace("collection install secops.mde\n", f"collection install {shlex.quote(str(archive))}\n")
            )
        if "export MDE_" in text:
            script.append(f". {shlex.quote(str(demo.SCRATCH / 'emulator.env'))}")  # the emulator instead of a tenant
    run(
        "sh",
        "-c",
        "\n".join(script),
        cwd=home,
        HOME=str(home),
        ANSIBLE_COLLECTIONS_PATH=str(home / ".ansible" / "collections"),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="the tag of the release, which must be the version")
    tag = parser.parse_args().tag or None
    shutil.rmtree(RELEASE, ignore_errors=True)
    RELEASE.mkdir(parents=True)
    path = RELEASE / "release.log"
    with path.open("w", encoding="utf-8") as log:
        try:
            version = version_of(ROOT, tag)
            check_commit()
            archive = release(version, log)
        except (ReleaseError, subprocess.CalledProcessError, RuntimeError) as error:
            log.flush()
            print(path.read_text("utf-8"), error, sep="\n", file=sys.stderr)
            return 1
    print(f"\nReady to publish: {archive.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
