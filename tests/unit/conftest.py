# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A local service for each test, and functions that run a module from its parameters to its JSON output."""

from __future__ import annotations

import contextlib
import io
import json
import os
import typing as t

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings as ansible_warnings
from ansible.module_utils.common.parameters import PASS_VARS
from hypothesis import settings

from ansible_collections.secops.mde.plugins.modules import (
    mde_machine_action_cancel,
    mde_machine_action_info,
    mde_machine_exclusion,
    mde_machine_info,
    mde_machine_tag,
    mde_offboard,
    mde_offboard_info,
)
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

# The same examples each time, at any speed of the machine: a gate that passed fails only after a change.
settings.register_profile("gate", deadline=None, derandomize=True, database=None)
# `make hunt`: many new examples each time.
settings.register_profile("hunt", deadline=None, max_examples=2000, database=None, print_blob=True)
settings.load_profile("gate")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove environment variables of the machine that change the result of a test."""
    for name in list(os.environ):
        if name.startswith(("MDE_", "AZURE_", "IDENTITY_", "MSI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """A local service without devices, with a clock that only tests advance."""
    with Emulator() as running:
        yield running


@pytest.fixture(params=["both", "guid"], ids=["lenient", "strict"])
def action_id_literal(request: pytest.FixtureRequest, emulator: Emulator) -> str:
    """A service that accepts quoted IDs of actions, and one that compares IDs with GUID literals only."""
    emulator.knobs.action_id_literal = request.param
    return str(request.param)


@pytest.fixture
def clock(emulator: Emulator) -> VirtualTime:
    """The client's clock: the service's time, which every sleep advances."""
    return VirtualTime(emulator)


@pytest.fixture
def against_emulator(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., RunModule]:
    """Make a module's ``main`` a function of its options that runs against the emulator. ``defaults`` are options."""

    def make(main: t.Callable[[], None], **defaults: t.Any) -> RunModule:
        def run(*, check: bool = False, diff: bool = False, connect: bool = True, **options: t.Any) -> ModuleRun:
            if connect:
                for name, value in emulator.environment().items():
                    monkeypatch.setenv(name, value)
            return run_module(main, {**defaults, **options}, check=check, diff=diff)

        return run

    return make


@pytest.fixture
def offboard(against_emulator: t.Callable[..., RunModule], clock: VirtualTime) -> RunModule:
    return against_emulator(lambda: mde_offboard.main(clock, clock.worker_pool), comment="CHG-1042 retired")


@pytest.fixture
def machine_info(against_emulator: t.Callable[..., RunModule], clock: VirtualTime) -> RunModule:
    return against_emulator(lambda: mde_machine_info.main(clock))


@pytest.fixture
def action_info(against_emulator: t.Callable[..., RunModule], clock: VirtualTime) -> RunModule:
    return against_emulator(lambda: mde_machine_action_info.main(clock))


@pytest.fixture
def cancel(against_emulator: t.Callable[..., RunModule], clock: VirtualTime) -> RunModule:
    return against_emulator(lambda: mde_machine_action_cancel.main(clock), comment="CHG-1042 withdrawn")


@pytest.fixture
def tag(against_emulator: t.Callable[..., RunModule], clock: VirtualTime) -> RunModule:
    return against_emulator(lambda: mde_machine_tag.main(clock), tag="retired")


@pytest.fixture
def exclude(against_emulator: t.Callable[..., RunModule], clock: VirtualTime) -> RunModule:
    return against_emulator(lambda: mde_machine_exclusion.main(clock))


@pytest.fixture
def offboard_info(against_emulator: t.Callable[..., RunModule], clock: VirtualTime) -> RunModule:
    return against_emulator(lambda: mde_offboard_info.main(clock))


def run_module(
    main: t.Callable[[], None], options: t.Mapping[str, t.Any], *, check: bool = False, diff: bool = False
) -> ModuleRun:
    """Run a module's ``main`` as Ansible does: with parameters, and with JSON as output."""
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff}
    if "inject_invocation" in PASS_VARS:  # newer versions return the parameters only on request
        arguments["_ansible_inject_invocation"] = True
    printed = io.StringIO()
    # Ansible collects warnings for the lifetime of a process, which normally runs one module.
    for name in ("_global_warnings", "_global_deprecations"):
        getattr(ansible_warnings, name, []).clear()
    with _module_arguments(arguments), contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        main()
    return ModuleRun(code=int(ended.value.code or 0), result=json.loads(printed.getvalue()), output=printed.getvalue())


def _module_arguments(arguments: dict[str, t.Any]) -> t.ContextManager[t.Any]:
    try:
        from ansible.module_utils.testing import patch_module_args
    except ImportError:  # before ansible-core 2.19

        @contextlib.contextmanager
        def patch_module_args(args: dict[str, t.Any]) -> t.Iterator[None]:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode())
                yield

    return t.cast("t.ContextManager[t.Any]", patch_module_args(arguments))
