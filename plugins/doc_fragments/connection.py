# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connection options of every module and plugin."""

from __future__ import annotations

import re
import typing as t

import yaml

_SECRETS = ("client_secret", "certificate_password", "access_token")


def _for_plugins(text: str) -> str:
    """The same options for plugins: with the names of the environment variables, without types, choices and defaults.

    Ansible would use the last variable that is set, even an empty one. The code that the modules use does this instead.
    """
    document: dict[str, t.Any] = yaml.safe_load(text)
    for name, option in document["options"].items():
        names = re.findall(r"E\((\w+)\)", next((x for x in option["description"] if x.startswith("If not set, ")), ""))
        if not names:
            continue
        choices, default = option.pop("choices", None), option.pop("default", None)
        if choices:
            option["description"].append(f"One of {', '.join(f'V({choice})' for choice in choices)}.")
        if default is not None:
            option["description"].append(f"The default is V({str(default).lower()}).")
        # Ansible prints a value that it cannot convert to text.
        option["type"] = "raw" if name in _SECRETS else "str"
        option["env"] = [{"name": variable} for variable in names]
    return str(yaml.safe_dump(document, sort_keys=False))


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  auth_source:
    description:
      - How to sign in.
      - V(auto) uses the first source with a complete credential. The sources are, in this order, the options, the environment variables that
        begin with C(MDE_), and those that begin with C(AZURE_). Within a source, the order is that of the choices. A secret, certificate or
        token file is used only with the client ID from the same source.
      - V(managed_identity) and V(azure_cli) are used only if you set this option to them.
      - An environment variable that is set but empty counts as not set. White space and line breaks around IDs, secrets and tokens are
        ignored. For O(certificate_password), only a trailing line break is ignored.
      - If not set, the value of environment variable E(MDE_AUTH_SOURCE) is used.
    type: str
    choices:
      - auto
      - access_token
      - client_secret
      - certificate
      - workload_identity
      - managed_identity
      - azure_cli
    default: auto
  tenant_id:
    description:
      - The GUID of the tenant, or one of its verified domains. With O(auth_source=azure_cli), use the GUID if C(az) does not accept a tenant, for
        example with a managed identity before Azure CLI 2.77. The module then checks the tenant of the token.
      - If not set, the first of the environment variables E(MDE_TENANT_ID), E(AZURE_TENANT_ID) and E(AZURE_TENANT) is used.
    type: str
    aliases:
      - tenant
  client_id:
    description:
      - The application (client) ID. With O(auth_source=managed_identity), the client ID of a user-assigned identity.
      - If not set, the first of the environment variables E(MDE_CLIENT_ID) and E(AZURE_CLIENT_ID) is used.
    type: str
  client_secret:
    description:
      - A secret of the application. Use the value of the secret, not its ID.
      - If not set, the first of the environment variables E(MDE_CLIENT_SECRET), E(AZURE_CLIENT_SECRET) and E(AZURE_SECRET) is
        used.
    type: str
    aliases:
      - secret
  certificate_path:
    description:
      - Path of a certificate of the application, in PEM format with key and certificate, or in PFX format. The key must be RSA. The
        module also reads PFX in base64, as Azure Key Vault returns it, and PEM with line breaks written as V(\\n).
      - If not set, the first of the environment variables E(MDE_CERTIFICATE_PATH), E(AZURE_CLIENT_CERTIFICATE_PATH) and
        E(AZURE_X509_CERTIFICATE_PATH) is used.
    type: path
    aliases:
      - x509_certificate_path
  certificate_password:
    description:
      - Password of the private key, if it has one.
      - If not set, the first of the environment variables E(MDE_CERTIFICATE_PASSWORD) and
        E(AZURE_CLIENT_CERTIFICATE_PASSWORD) is used.
    type: str
  federated_token_file:
    description:
      - Path of a file with a token of another issuer that the application trusts, for example a projected Kubernetes service account
        token. The module reads the file again at each sign-in.
      - If not set, the first of the environment variables E(MDE_FEDERATED_TOKEN_FILE) and E(AZURE_FEDERATED_TOKEN_FILE) is
        used.
    type: path
  access_token:
    description:
      - An access token for the API. The Python library msal is then not required.
      - If not set, the value of environment variable E(MDE_ACCESS_TOKEN) is used.
    type: str
  cloud:
    description:
      - The national cloud. V(AzureCloud) is the same as V(commercial), and V(AzureUSGovernment) the same as V(gcc_high).
      - If not set, the first of the environment variables E(MDE_CLOUD) and E(AZURE_CLOUD_ENVIRONMENT) is used.
    type: str
    choices:
      - commercial
      - gcc
      - gcc_high
      - dod
      - AzureCloud
      - AzureUSGovernment
    default: commercial
    aliases:
      - cloud_environment
  region:
    description:
      - Region of the API servers. Only with O(cloud=commercial). By default, the module uses the global servers.
      - If not set, the value of environment variable E(MDE_REGION) is used.
    type: str
    choices:
      - us
      - eu
      - uk
      - au
      - swa
      - ina
  api_url:
    description:
      - Base URL of the API, if it differs from that of O(cloud) and O(region). It can have a path. A trailing C(/api) is removed. It
        must use https; http is allowed for loopback addresses only.
      - If not set, the value of environment variable E(MDE_API_URL) is used.
    type: str
  authority_host:
    description:
      - URL of the sign-in host, if it differs from that of O(cloud). It must use https.
      - If not set, the first of the environment variables E(MDE_AUTHORITY_HOST) and E(AZURE_AUTHORITY_HOST) is used.
    type: str
  scope:
    description:
      - OAuth scope, if it differs from that of O(cloud).
      - If not set, the value of environment variable E(MDE_SCOPE) is used.
    type: str
  instance_discovery:
    description:
      - Whether an unknown sign-in host is verified with Microsoft first. Set it to V(false) for a private authority.
      - If not set, the value of environment variable E(MDE_INSTANCE_DISCOVERY) is used.
    type: bool
    default: true
  ca_path:
    description:
      - Path of a file with the CA certificates to trust, for sign-in and API. It takes precedence over E(REQUESTS_CA_BUNDLE). If neither is
        set, the module trusts the CA certificates that come with requests, and those of the system. E(SSL_CERT_FILE) and E(SSL_CERT_DIR)
        replace those of the system.
      - If not set, the value of environment variable E(MDE_CA_PATH) is used.
    type: path
  validate_certs:
    description:
      - Whether to validate certificates, for sign-in and API. Set O(ca_path) instead of disabling validation.
      - If not set, the value of environment variable E(MDE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  proxy:
    description:
      - URL of the proxy for sign-in and API. It takes precedence over E(HTTPS_PROXY). Requests to loopback addresses and to the metadata
        endpoints of managed identities never use a proxy. The password of the proxy does not appear in any output.
      - Percent-encode special characters such as C(#) and C(/) in user and password, in environment variables as well.
      - If not set, the value of environment variable E(MDE_PROXY) is used.
    type: str
  timeout:
    description:
      - Maximum time in seconds for one request, from connecting to the last byte of the response.
    type: int
    default: 30
  retry_timeout:
    description:
      - Maximum time in seconds for throttling and retries of one call. The module never retries earlier than the service allows. If that
        exceeds the remaining time, the task fails immediately and reports when to retry.
      - Time spent waiting for O(calls_per_minute) and O(calls_per_hour) does not count.
      - The default is 300, and 3900 for the option C(devices), so that a list can wait for the quota of the next hour.
      - If a host has not responded at all in this run, the module retries for 60 seconds only.
    type: int
requirements:
  - requests >= 2.28
  - msal >= 1.35.0, unless O(access_token) or O(auth_source=azure_cli) is used
"""

    PLUGINS: str = _for_plugins(DOCUMENTATION)
