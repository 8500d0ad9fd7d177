# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make demo`: the built collection, installed as a user would, takes sample devices out of the emulator."""

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
                playbook = [environment.program("ansible-playbook"), "secops.mde.demo", *sys.argv[1:]]
                return subprocess.run(
                    playbook, env=environment.variables() | settings | variables, check=False
                ).returncode
        except (subprocess.CalledProcessError, RuntimeError) as error:
            log.flush()
            print(path.read_text("utf-8"), error, sep="\n", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
