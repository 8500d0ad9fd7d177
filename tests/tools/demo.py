# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make demo`: the runbook from the list of a ticket to the evidence page, against the emulator.

The collection is built, and installed as a user would. The list is an export of the device inventory.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

from .workspace import CACHE, COLLECTION, Environment, Shell, stage

SCRATCH = CACHE / "demo"
# In quotes of its own: Ansible splits key=value at blanks, and the rest would be lost without a message.
COMMENT = "mde_comment='CHG-1042 retired'"
LIST = ("secops.mde.offboard_list", "-e", "mde_devices_file=devices.csv", "-e", COMMENT)


class Act(t.NamedTuple):
    """A command of the runbook, what it is for, and its exit status: the list has devices that need attention."""

    about: str
    command: tuple[str, ...]
    code: int
    days: int = 0
    """By which the clock of the emulator is advanced first."""


ACTS = (
    Act(
        "What would happen? Check mode reads, predicts, and changes nothing. It predicts that the service refuses the Mac.",
        (*LIST, "--check"),
        2,
    ),
    Act("Offboard the devices. The service refuses the Mac. Devices that are powered off stay pending.", LIST, 2),
    Act(
        "Run it again, as after an interruption: finished devices are recognized, and none is offboarded twice.",
        LIST,
        2,
    ),
    Act(
        "Five days later by the clock of the emulator, which the demo advances: get the outcomes. The actions of devices that "
        "stayed powered off have timed out, so that the run fails.",
        ("secops.mde.verify",),
        2,
        days=5,
    ),
)


def install(run: Shell, archive: Path) -> Path:
    """Install a built collection into the scratch folder, without asking Galaxy, and return its folder."""
    run(
        "ansible-galaxy",
        "collection",
        "install",
        "--force",
        "--no-deps",
        "--offline",
        f"--collections-path={SCRATCH}",
        archive,
    )
    return SCRATCH / COLLECTION


@contextlib.contextmanager
def emulator(environment: Environment, collection: Path, log: t.IO[str]) -> t.Iterator[dict[str, str]]:
    """The emulator of a copy of the collection while the block runs; gives the variables that point at it."""
    variables, state = SCRATCH / "emulator.env", SCRATCH / "emulator.json"
    process = subprocess.Popen(
        [
            environment.program("python"),
            "-m",
            "tests.emulator",
            "--scenario=fleet",
            f"--env-file={variables}",
            f"--state-file={state}",
        ],
        cwd=collection,
        env=environment.variables(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 30
        while not (state.exists() and variables.exists()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the emulator did not start")
            time.sleep(0.1)
        words = shlex.split(variables.read_text("utf-8"), comments=True)
        yield dict(word.split("=", 1) for word in words if "=" in word)
    finally:
        process.terminate()
        process.wait(timeout=10)


def advance(control: str, days: int) -> None:
    """Advance the clock of the emulator. A proxy in the environment is not for this machine."""
    body = json.dumps({"advance": days * 86400}).encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(urllib.request.Request(f"{control}/clock", body), timeout=10).close()


def play(program: str, variables: t.Mapping[str, str]) -> int:
    """Run the acts in the scratch folder, each as a user would type it, and end with the evidence."""
    folder = SCRATCH / "mde-evidence"
    for act in ACTS:
        command = act.command
        if act.days:
            advance(variables["MDE_EMULATOR_CONTROL"], act.days)
        if command == ("secops.mde.verify",):
            # The run that sent them: the last but one.
            earlier = sorted(folder.glob("mde-offboard_list-*.json"))[-2]
            command = (*command, "-e", f"mde_evidence={earlier.relative_to(SCRATCH)}")
        typed = " ".join(f'"{word}"' if "'" in word else shlex.quote(word) for word in command)
        print(f"\n\n=== {act.about}\n$ ansible-playbook {typed}", flush=True)
        ended = subprocess.run([program, *command], cwd=SCRATCH, env=dict(variables), check=False)
        if ended.returncode != act.code:
            print(f"This ended with {ended.returncode} instead of {act.code}.", file=sys.stderr)
            return 1
    pages = sorted(folder.glob("*.html"))
    print("\n\n=== The evidence, a page for each run:", *pages, sep="\n", flush=True)
    print(f"\nOpen the last one in a browser: {pages[-1]}", flush=True)
    return 0


def perform(ansible: Environment, service: Environment, collection: Path, log: t.IO[str]) -> int:
    """Run the acts with the Ansible of one environment and the collection that is installed in the scratch folder.

    The emulator is that of the installed collection, and runs in the environment ``service``.
    """
    with emulator(service, collection, log) as variables:
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(SCRATCH),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        }
        shutil.copy(collection / "tests" / "emulator" / "scenarios" / "fleet.csv", SCRATCH / "devices.csv")
        return play(ansible.program("ansible-playbook"), ansible.variables() | settings | variables)


def main() -> int:
    environment = Environment()
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    path = SCRATCH / "setup.log"
    with path.open("w", encoding="utf-8") as log:
        try:
            print("Preparing an environment (the first time takes a minute) ...", flush=True)
            environment.build(log)
            print("Building and installing the collection ...", flush=True)
            run = Shell(environment, stage("demo"), log)
            run("ansible-galaxy", "collection", "build", "--force", f"--output-path={SCRATCH}")
            collection = install(run, next(SCRATCH.glob("*.tar.gz")))
            print("Starting the emulator of Defender for Endpoint ...\n", flush=True)
            return perform(environment, environment, collection, log)
        except (subprocess.CalledProcessError, RuntimeError) as error:
            log.flush()
            print(path.read_text("utf-8"), error, sep="\n", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
