# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Running a program of this machine, with an end to the waiting."""

from __future__ import annotations

import typing as t


def run_program(command: t.Sequence[str], environment: t.Mapping[str, str], timeout: float) -> tuple[int, str, str]:
    """Run a program without a shell and without input: its exit code, and what it wrote to both outputs.

    Raises TimeoutError after so many seconds, when the program was killed, and OSError when it cannot be run.
    """
    # asyncio, because AnsibleModule.run_command waits for ever; late, because hardly anybody needs it.
    import asyncio

    async def run() -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), timeout)
        except asyncio.TimeoutError as error:  # before Python 3.11 another class than the builtin one
            process.kill()
            await process.wait()
            raise TimeoutError from error
        return process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    return asyncio.run(run())
