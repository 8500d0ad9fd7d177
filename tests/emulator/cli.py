# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: starts an emulator, prints how to use it, and stops on a signal."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from .emulator import Emulator
from .scenario import load_scenario

_DESCRIPTION = "A local Microsoft Defender for Endpoint with made-up devices, for rehearsals."


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line options."""
    options = argparse.ArgumentParser(prog="python -m tests.emulator", description=_DESCRIPTION)
    options.add_argument("--scenario", default="fleet", help="name of a bundled scenario, or a YAML file (fleet)")
    options.add_argument(
        "--env-file",
        type=Path,
        default=Path("mde-emulator.env"),
        help="write the environment variables to this file (%(default)s)",
    )
    options.add_argument("--state-file", type=Path, help="write URLs and IDs to this file as JSON")
    options.add_argument(
        "--port", type=int, default=0, help="port of the API; by default each service uses a free port"
    )
    options.add_argument("--authority-port", type=int, default=0, help="port of the sign-in service")
    options.add_argument(
        "--host-name",
        action="append",
        default=[],
        help="additional host name of this machine, for the certificate; repeatable",
    )
    options.add_argument(
        "--metadata-port", type=int, default=0, help="port of the managed identity endpoints and the HTTP control"
    )
    time = options.add_mutually_exclusive_group()
    time.add_argument(
        "--real-time", dest="real_time", action="store_true", default=True, help="time passes (the default)"
    )
    time.add_argument(
        "--frozen",
        dest="real_time",
        action="store_false",
        help="stop the clock; only the HTTP control advances it",
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    options = parser().parse_args(arguments)
    ports = {"api": options.port, "entra": options.authority_port, "metadata": options.metadata_port}
    try:
        emulator = Emulator(
            load_scenario(options.scenario),
            real_time=options.real_time,
            ports=ports,
            host_names=options.host_name,
        )
    except (OSError, ValueError) as error:
        print(f"Cannot use the scenario {options.scenario}: {error}", file=sys.stderr)
        return 2
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    try:
        emulator.start()
    except OSError as error:
        print(f"Cannot start the emulator: {error}", file=sys.stderr)
        return 1
    written: list[Path] = []
    try:
        _write(options.env_file, _variables(emulator))
        written.append(options.env_file)
        if options.state_file:
            _write(options.state_file, json.dumps(emulator.state(), indent=2) + "\n")
            written.append(options.state_file)
        print(_text(emulator, options.env_file, options.real_time), flush=True)
        stop.wait()
    except OSError as error:
        print(f"Cannot write a file: {error}", file=sys.stderr)
        return 1
    finally:
        for path in written:
            path.unlink(missing_ok=True)
        emulator.stop()
    print("The emulator has stopped.", flush=True)
    return 0


def _write(path: Path, text: str) -> None:
    """Write a file atomically. Only its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _variables(emulator: Emulator) -> str:
    values = {**emulator.environment(), "MDE_EMULATOR_CONTROL": emulator.control_url}
    lines = ["export {}='{}'".format(name, value.replace("'", "'\\''")) for name, value in values.items()]
    return "# Source this file: . FILE\n" + "\n".join(lines) + "\n"


def _text(emulator: Emulator, env_file: Path, real_time: bool) -> str:
    name = str(env_file) if env_file.is_absolute() else f"./{env_file}"
    clock = "follows real time" if real_time else "is stopped"
    return f"""The emulator is ready, with {len(emulator.devices)} made-up devices. It never connects to a real tenant.

  API        {emulator.api_url}
  Sign-in    {emulator.authority_host}
  Control    {emulator.control_url}

To use it, load its variables in another terminal, and show three of the devices:

  . {name}
  ansible localhost -m secops.mde.mde_machine_info -a "limit=3"

Its clock {clock}. To advance it by four days, and to show the requests and the actions:

  curl -s -X POST "$MDE_EMULATOR_CONTROL/clock" -d '{{"advance": 345600}}'
  curl -s "$MDE_EMULATOR_CONTROL/log?service=api"
  curl -s "$MDE_EMULATOR_CONTROL/actions"

Ctrl+C stops the emulator and removes its files."""
