# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mde_machines
short_description: Devices in Microsoft Defender for Endpoint as inventory hosts
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Returns each device that matches the filters as a host, for runbooks that retire devices and for reports.
  - The inventory source is a YAML file whose name ends in C(mde_machines.yml) or C(mde_machines.yaml).
  - Each host has the variables C(mde_device_id), C(mde_device_name), C(mde_aad_device_id) and C(mde_machine), which is the complete record of
    the device. Expressions in O(compose), O(groups) and O(keyed_groups) can use the fields of the record as well, for example
    C(healthStatus) or C(machineTags).
  - If several devices have the same name, or a name is not a valid host name or is that of a group, the host name contains the device ID.
    No device is omitted.
  - The values come from the devices and their users. They are never evaluated as templates. Group names from O(keyed_groups) consist of
    letters, digits and underscores. A composed C(ansible_host) is set only if it is an IP address or a host name.
  - With ansible-core 2.19 and later, C(ansible-inventory --list) shows text under the key C(__ansible_unsafe), unless the text consists of
    letters, digits, spaces and C(._:/@+-), and belongs to no variable that could contain a secret.
  - C(mde_device_name) and C(mde_aad_device_id) are null if the service has no value, or has a value that M(secops.mde.mde_offboard) does not
    accept, for example with line breaks. C(mde_machine) contains the original value.
  - An option that does not exist is an error, because a misspelled filter would select all devices.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices:
      - secops.mde.mde_machines
  hostname:
    description:
      - What to use as host name.
    type: str
    choices:
      - name
      - short_name
      - device_id
      - aad_device_id
    default: name
  address:
    description:
      - Set C(ansible_host) to the last IP address of the device, its own (V(internal)) or the one that the service saw (V(external)). Nothing
        in this collection needs it, because nothing connects to the devices.
      - C(ansible_host) is never set to an address of the control node, for example a loopback address, or to anything that is not an IP
        address. A warning shows the number of devices without a usable address.
    type: str
    choices:
      - internal
      - external
extends_documentation_fragment:
  - secops.mde.connection.plugins
  - secops.mde.machine_filter
  - secops.mde.rate_limit
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
notes:
  - The application needs the permission C(Machine.Read.All), with admin consent.
  - Values of connection and filter options, except numbers, can be templates that use extra variables, and they can be encrypted with Ansible
    Vault. Put dates and times in quotes. Without quotes, YAML does not read them as text, and Ansible rejects them.
  - With O(cache), a run within O(cache_timeout) sends no requests. Records are cached separately for each file, its filters and its tenant.
    The cache contains no secrets.
seealso:
  - module: secops.mde.mde_machine_info
  - module: secops.mde.mde_offboard
"""

EXAMPLES = r"""
# inactive.mde_machines.yml: devices that have not reported for 30 days
plugin: secops.mde.mde_machines
last_seen_before: 30
onboarding_status: Onboarded

# retire.mde_machines.yml: devices that were tagged in the portal, in groups by operating system
# plugin: secops.mde.mde_machines
# tag: retire
# keyed_groups:
#   - key: osPlatform | lower
#     prefix: os
# groups:
#   silent: healthStatus != 'Active'
# compose:
#   ticket: "machineTags | select('match', 'CHG-') | first | default('')"

# cached.mde_machines.yml: all devices, read once an hour from the API servers in Europe
# plugin: secops.mde.mde_machines
# region: eu
# tenant_id: corp.example
# cache: true
# cache_plugin: ansible.builtin.jsonfile
# cache_connection: ~/.cache/mde-inventory
# cache_timeout: 3600
"""

import hashlib
import json
import typing as t

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine
from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError, OptionError
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import Spec, nulls_to_blank
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import (
    clean_aad_device_id,
    clean_device_name,
)
from ansible_collections.secops.mde.plugins.module_utils._presentable import one_line
from ansible_collections.secops.mde.plugins.module_utils._queries.machine_filter import (
    MACHINE_FILTER_OPTIONS,
    MachineFilter,
)
from ansible_collections.secops.mde.plugins.plugin_utils._host_names import (
    HOSTNAMES,
    assign_host_names,
    could_be_group_name,
    group_name,
    host_address,
    identifying,
    is_host,
)
from ansible_collections.secops.mde.plugins.plugin_utils._plugin_options import PluginOptions
from ansible_collections.secops.mde.plugins.plugin_utils._unsafe import make_unsafe

ADDRESSES: t.Final = {"internal": "lastIpAddress", "external": "lastExternalIpAddress"}
# Variables that reach the command line of ssh.
_HOST_VARIABLES: t.Final = frozenset({"ansible_host", "ansible_ssh_host"})
OPTIONS: Spec = {
    **MACHINE_FILTER_OPTIONS,
    "hostname": {"type": "str", "choices": list(HOSTNAMES), "default": "name"},
    "address": {"type": "str", "choices": list(ADDRESSES)},
}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]  # Ansible has no types
    """Devices as hosts."""

    NAME = "secops.mde.mde_machines"
    inventory: InventoryData

    def verify_file(self, path: str) -> bool:
        """Whether the file is ours, by its name."""
        return super().verify_file(path) and path.endswith(("mde_machines.yml", "mde_machines.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Read the devices and fill the inventory."""
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        # From None, because Ansible shows the causes of an error, and those of libraries contain complete requests.
        try:
            options = PluginOptions(self._read_options(config), OPTIONS)
        except MdeError as error:
            raise AnsibleParserError(str(error)) from None
        try:
            machines = self._machines(path, options, cache)
        except MdeError as error:
            raise AnsibleParserError(options.redact(str(error))) from None
        try:
            self._populate(machines, options.params)
        except ValueError as error:
            raise AnsibleParserError(f"The devices cannot be used as hosts: {error}.") from None

    def _read_options(self, config: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The values of the file, with templates and vaulted values resolved. Raises OptionError for an unsupported option."""
        known = {*self._options, *OPTIONS, "tenant", "secret", "x509_certificate_path", "cloud_environment"}
        unknown = sorted(str(name) for name in config if name not in known)
        if unknown:
            raise OptionError(
                f"Unsupported option: {', '.join(unknown)}.",
                hint="A misspelled filter would select all devices, so nothing was read.",
            )
        self.templar.available_variables = self._vars
        constructed = ("compose", "groups", "keyed_groups", "plugin")
        given = {name: self._resolve_value(value) for name, value in config.items() if name not in constructed}
        nulls_to_blank(given, MACHINE_FILTER_OPTIONS)
        return given

    def _resolve_value(self, value: t.Any) -> t.Any:
        if isinstance(value, str):
            return self.templar.template(value)
        if isinstance(value, list):
            return [self._resolve_value(item) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return str(value)  # a vaulted value

    def _machines(self, path: str, options: PluginOptions, cache: bool) -> list[Machine]:
        """The devices, from the cache if it is enabled and has them."""
        cached = self.get_option("cache") and cache
        # After a change of the filters or the tenant, the file selects other devices.
        cache_id = json.dumps(
            [options.cache_key_parts(), {name: options.params[name] for name in MACHINE_FILTER_OPTIONS}], default=str
        )
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(cache_id.encode()).hexdigest()[:16]}"
        if cached:
            known = _machines_from_cache(self._cache.get(key))
            if known is not None:
                return known
        machines = self._read(options)
        if self.get_option("cache"):
            self._cache[key] = [machine.record for machine in machines]
        return machines

    def _read(self, options: PluginOptions) -> list[Machine]:
        client = options.connect()

        def warn(text: str) -> None:
            self.display.warning(one_line(options.redact(text)))

        try:
            found = MachineFilter.from_options(options.params).find(client, warn)
            for warning in client.session.warnings():
                warn(warning)
            return found
        finally:
            client.session.close_connections()

    def _populate(self, machines: t.Sequence[Machine], params: t.Mapping[str, t.Any]) -> None:
        own = self.get_option("groups") or {}
        hosts = assign_host_names(machines, params["hostname"], [*self.inventory.groups, *own])
        makes_groups = self.get_option("groups") or self.get_option("keyed_groups")
        if makes_groups and any(map(could_be_group_name, hosts.names)):
            hosts = assign_host_names(machines, params["hostname"], self._groups(machines, hosts.names, params))
        if warning := hosts.warning():
            self.display.warning(one_line(warning))
        key = ADDRESSES[params["address"]] if params["address"] else None
        without = sum(host_address(machine.record.get(key)) is None for machine in machines) if key else 0
        if without:
            self.display.warning(
                f"{without} of {len(machines)} devices have no {key} that can be used as ansible_host."
            )
        self._add_hosts(machines, hosts.names, params)

    def _groups(
        self, machines: t.Sequence[Machine], names: t.Sequence[str], params: t.Mapping[str, t.Any]
    ) -> t.Iterable[str]:
        """The names of all groups. The hosts are added to a temporary inventory, under names that cannot be those of groups."""
        real = self.inventory
        self.inventory = InventoryData()
        self.inventory.current_source = real.current_source
        try:
            safe = [
                machine.id if could_be_group_name(name) else name for machine, name in zip(machines, names, strict=True)
            ]
            self._add_hosts(machines, safe, params)
            return {*real.groups, *self.inventory.groups}
        finally:
            self.inventory = real

    def _sanitize_group_name(self, name: str) -> str:
        """Overrides the method of Ansible, which by default keeps every character. The names can be values of the service."""
        return name if name in (self.get_option("groups") or ()) else group_name(name)

    def _add_hosts(self, machines: t.Sequence[Machine], names: t.Sequence[str], params: t.Mapping[str, t.Any]) -> None:
        constructs = any(self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        for machine, host in zip(machines, names, strict=True):
            record = make_unsafe(machine.record)
            variables = {
                "mde_device_id": make_unsafe(machine.id),
                "mde_device_name": make_unsafe(identifying(machine.name, clean_device_name)),
                "mde_aad_device_id": make_unsafe(identifying(machine.aad_device_id, clean_aad_device_id)),
                "mde_machine": record,
            }
            address = host_address(machine.record.get(ADDRESSES[params["address"]])) if params["address"] else None
            self.inventory.add_host(host)
            for name, value in {**variables, **({"ansible_host": address} if address else {})}.items():
                self.inventory.set_variable(host, name, value)
            if constructs:
                self._construct(host, {**record, **variables}, self.get_option("strict"))

    def _construct(self, host: str, variables: dict[str, t.Any], strict: bool) -> None:
        self._compose_variables(host, variables, strict)
        known = {**variables, **self.inventory.get_host(host).get_vars()}
        self._add_host_to_composed_groups(self.get_option("groups"), known, host, strict=strict, fetch_hostvars=False)
        self._add_host_to_keyed_groups(
            self.get_option("keyed_groups"), known, host, strict=strict, fetch_hostvars=False
        )

    def _compose_variables(self, host: str, variables: dict[str, t.Any], strict: bool) -> None:
        """Set the composed variables, marked as unsafe again: an expression that joins text loses the marks of its parts."""
        before = self.inventory.get_host(host).vars.get("ansible_host")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        composed = self.inventory.get_host(host).vars
        for name in self.get_option("compose") or ():
            if name in composed:
                composed[name] = make_unsafe(composed[name])
        for name in _HOST_VARIABLES & composed.keys():
            if not is_host(composed[name]):
                del composed[name]
                if before is not None and name == "ansible_host":
                    composed[name] = before


def _machines_from_cache(records: object) -> list[Machine] | None:
    """The devices of a list from the cache. None if it is missing, expired or damaged, because a partial list is not the list."""
    if not isinstance(records, list):
        return None
    machines = [machine for record in records if (machine := Machine.from_json(record)) is not None]
    return machines if len(machines) == len(records) else None
