# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make demo`: the runbook from a list of devices to the evidence page, against the emulator.

The collection is built and installed as users install it. The list is an export of the device inventory.
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
# With its own quotes, because Ansible splits key=value at spaces and ignores the rest without a message.
COMMENT = "mde_comment='CHG-1042 retired'"
LIST = ("secops.mde.offboard_list", "-e", "mde_devices_file=devices.csv", "-e", COMMENT)


class Step(t.NamedTuple):
    """A command of the runbook with its description and exit status. 2: a device needs attention."""

    description: str
    command: tuple[str, ...]
    exit_status: int
    days: int = 0
    """Number of days by which the clock of the emulator is advanced first."""


STEPS = (
    Step(
        "Check mode reads, predicts, and changes nothing. It predicts that the service refuses the Mac.",
        (*LIST, "--check"),
        2,
    ),
    Step("Offboard the devices. The service refuses the Mac. Devices that are powered off stay pending.", LIST, 2),
    Step(
        "Run it again, as after an interruption. Finished devices are recognized, and none is offboarded twice.",
        LIST,
        2,
    ),
    Step(
        "Five days later by the clock of the emulator, which the demo advances: get the outcomes. The actions of devices that "
        "stayed powered off have timed out, so that the run fails.",
        ("secops.mde.verify",),
        2,
        days=5,
    ),
)


def install(run: Shell, archive: Path) -> Path:
    """Install a built collection into the scratch folder without Galaxy, and return its folder."""
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
    """Run the emulator of a copy of the collection while the block runs. Yields the environment variables to use it."""
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


def run_steps(program: str, variables: t.Mapping[str, str]) -> int:
    """Run the steps in the scratch folder, print their commands, and print the evidence pages."""
    folder = SCRATCH / "mde-evidence"
    for step in STEPS:
        command = step.command
        if step.days:
            advance(variables["MDE_EMULATOR_CONTROL"], step.days)
        if command == ("secops.mde.verify",):
            # The run that submitted the actions is the second to last.
            evidence = sorted(folder.glob("mde-offboard_list-*.json"))[-2]
            command = (*command, "-e", f"mde_evidence={evidence.relative_to(SCRATCH)}")
        shown = " ".join(f'"{word}"' if "'" in word else shlex.quote(word) for word in command)
        print(f"\n\n=== {step.description}\n$ ansible-playbook {shown}", flush=True)
        ended = subprocess.run([program, *command], cwd=SCRATCH, env=dict(variables), check=False)
        if ended.returncode != step.exit_status:
            print(f"The exit status is {ended.returncode} instead of {step.exit_status}.", file=sys.stderr)
            return 1
    pages = sorted(folder.glob("*.html"))
    print("\n\n=== The evidence pages, one for each run:", *pages, sep="\n", flush=True)
    print(f"\nOpen the last page in a browser: {pages[-1]}", flush=True)
    return 0


def run_demo(ansible: Environment, service: Environment, collection: Path, log: t.IO[str]) -> int:
    """Run the steps with the Ansible of one environment and the installed collection in the scratch folder.

    The emulator of the installed collection runs in the environment ``service``.
    """
    with emulator(service, collection, log) as variables:
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(SCRATCH),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        }
        shutil.copy(collection / "tests" / "emulator" / "scenarios" / "fleet.csv", SCRATCH / "devices.csv")
        return run_steps(ansible.program("ansible-playbook"), ansible.variables() | settings | variables)


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
            return run_demo(environment, environment, collection, log)
        except (subprocess.CalledProcessError, RuntimeError) as error:
            log.flush()
            print(path.read_text("utf-8"), error, sep="\n", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
