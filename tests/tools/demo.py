# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make demo`: the runbook from the list of a ticket to the evidence page, against the emulator.

The collection is built, and installed as a user would. The list is an export of the device inventory.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import sys
import time
import typing as t

from .workspace import CACHE, ROOT, Environment, Shell, stage

SCRATCH = CACHE / "demo"
COMMENT = "mde_comment=CHG-1042 retired"
LIST = ("secops.mde.offboard_list", "-e", "mde_devices_file=devices.csv", "-e", COMMENT)


class Act(t.NamedTuple):
    """A command of the runbook, what it is for, and how it ends: two devices of the list are known to need a person."""

    about: str
    command: tuple[str, ...]
    code: int


ACTS = (
    Act("What would happen? Check mode reads, decides, and sends nothing.", (*LIST, "--check"), 0),
    Act("Offboard them. One runs macOS, which the service refuses; those that are switched off stay pending.", LIST, 2),
    Act("Once more, as after an abort: what is done is found, and nobody is offboarded twice.", LIST, 2),
    Act("Days later: what became of them?", ("secops.mde.verify",), 0),
)


def install(run: Shell) -> None:
    """Build the collection and install the archive into a scratch folder, without asking Galaxy."""
    run("ansible-galaxy", "collection", "build", "--force", f"--output-path={SCRATCH}")
    archive = next(SCRATCH.glob("*.tar.gz"))
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


@contextlib.contextmanager
def emulator(environment: Environment, log: t.IO[str]) -> t.Iterator[dict[str, str]]:
    """The emulator with its sample devices while the block runs; gives the variables that point at it."""
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
        cwd=ROOT,
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


def play(program: str, variables: t.Mapping[str, str]) -> int:
    """Run the acts in the scratch folder, each as a user would type it, and end with the evidence."""
    folder = SCRATCH / "mde-evidence"
    for act in ACTS:
        command = act.command
        if command == ("secops.mde.verify",):
            # The run that sent them: the last but one.
            earlier = sorted(folder.glob("mde-offboard_list-*.json"))[-2]
            command = (*command, "-e", f"mde_evidence={earlier.relative_to(SCRATCH)}")
        print(f"\n\n=== {act.about}\n$ ansible-playbook {shlex.join(command)}", flush=True)
        ended = subprocess.run([program, *command], cwd=SCRATCH, env=dict(variables), check=False)
        if ended.returncode != act.code:
            print(f"This ended with {ended.returncode} instead of {act.code}.", file=sys.stderr)
            return 1
    pages = sorted(folder.glob("*.html"))
    print("\n\n=== The evidence, a page for each run:", *pages, sep="\n", flush=True)
    print(f"\nOpen the last one in a browser: {pages[-1]}", flush=True)
    return 0


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
            install(Shell(environment, stage("demo"), log))
            print("Starting the emulator of Defender for Endpoint ...\n", flush=True)
            with emulator(environment, log) as variables:
                settings = {
                    "ANSIBLE_COLLECTIONS_PATH": str(SCRATCH),
                    "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
                    "ANSIBLE_LOCALHOST_WARNING": "false",
                    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
                }
                shutil.copy(ROOT / "tests" / "emulator" / "scenarios" / "fleet.csv", SCRATCH / "devices.csv")
                return play(environment.program("ansible-playbook"), environment.variables() | settings | variables)
        except (subprocess.CalledProcessError, RuntimeError) as error:
            log.flush()
            print(path.read_text("utf-8"), error, sep="\n", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
