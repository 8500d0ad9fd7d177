# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How every module and plugin of the collection reaches the service."""

from __future__ import annotations

import re
import typing as t

import yaml

_SECRETS = ("client_secret", "certificate_password", "access_token")


def _for_plugins(text: str) -> str:
    """The same for plugins, where Ansible is told the names of the variables, and may neither convert nor complete.

    It would take the last variable that is set, an empty one too: the modules' own code does all that.
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
        # Ansible would print a value that it cannot make a text of.
        option["type"] = "raw" if name in _SECRETS else "str"
        option["env"] = [{"name": variable} for variable in names]
    return str(yaml.safe_dump(document, sort_keys=False))


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  auth_source:
    description:
      - How to sign in.
      - With V(auto) a whole identity is taken from one place, the options, else the E(MDE_CLIENT_ID) family of environment
        variables, else the E(AZURE_CLIENT_ID) family. A secret, certificate or token file is used only with the client id from
        the same place. The first place with a complete credential wins, and within it the order of the choices.
      - V(managed_identity) and V(azure_cli) are used only when named.
      - An environment variable that is set but empty counts as unset, everywhere. Blanks and line breaks around IDs, secrets and
        tokens do not count; of O(certificate_password) only a final line break does not.
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
      - The tenant's GUID, or one of its verified domains. With O(auth_source=azure_cli) it is the GUID where C(az) does not take a
        tenant, as with a managed identity before version 2.77. The token is then checked to be for that tenant.
      - If not set, the first of the environment variables E(MDE_TENANT_ID), E(AZURE_TENANT_ID) and E(AZURE_TENANT) is used.
    type: str
    aliases:
      - tenant
  client_id:
    description:
      - The application's (client) id. With O(auth_source=managed_identity) that of a user-assigned identity.
      - If not set, the first of the environment variables E(MDE_CLIENT_ID) and E(AZURE_CLIENT_ID) is used.
    type: str
  client_secret:
    description:
      - A secret of the application, its value and not its id.
      - If not set, the first of the environment variables E(MDE_CLIENT_SECRET), E(AZURE_CLIENT_SECRET) and E(AZURE_SECRET) is
        used.
    type: str
    aliases:
      - secret
  certificate_path:
    description:
      - A certificate of the application, as PEM with key and certificate, or as PFX. The key must be RSA. PFX in base64, as Azure Key
        Vault returns it, and PEM with line breaks written as C(\\n) are read too.
      - If not set, the first of the environment variables E(MDE_CERTIFICATE_PATH), E(AZURE_CLIENT_CERTIFICATE_PATH) and
        E(AZURE_X509_CERTIFICATE_PATH) is used.
    type: path
    aliases:
      - x509_certificate_path
  certificate_password:
    description:
      - Password of the certificate's key, if it has one.
      - If not set, the first of the environment variables E(MDE_CERTIFICATE_PASSWORD) and
        E(AZURE_CLIENT_CERTIFICATE_PASSWORD) is used.
    type: str
  federated_token_file:
    description:
      - A file with a token of another issuer that the application trusts, as a Kubernetes cluster writes it. It is read anew at
        each sign-in.
      - If not set, the first of the environment variables E(MDE_FEDERATED_TOKEN_FILE) and E(AZURE_FEDERATED_TOKEN_FILE) is
        used.
    type: path
  access_token:
    description:
      - A ready token for the API. The Python library msal is then not needed.
      - If not set, the value of environment variable E(MDE_ACCESS_TOKEN) is used.
    type: str
  cloud:
    description:
      - The national cloud. V(AzureCloud) means V(commercial), V(AzureUSGovernment) means V(gcc_high).
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
      - The part of the world whose servers to use, with O(cloud=commercial) only. Left unset, the global ones are used.
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
      - Base address of the API, in place of the one that O(cloud) and O(region) give. It may carry a path; C(/api) at its end is
        dropped. It must be https, or http on loopback.
      - If not set, the value of environment variable E(MDE_API_URL) is used.
    type: str
  authority_host:
    description:
      - Address of the sign-in host, in place of the one that O(cloud) gives. It must be https.
      - If not set, the first of the environment variables E(MDE_AUTHORITY_HOST) and E(AZURE_AUTHORITY_HOST) is used.
    type: str
  scope:
    description:
      - What the token is asked for, in place of what O(cloud) gives.
      - If not set, the value of environment variable E(MDE_SCOPE) is used.
    type: str
  instance_discovery:
    description:
      - Whether an unknown sign-in host is first looked up with Microsoft. Set it to V(false) for a private authority.
      - If not set, the value of environment variable E(MDE_INSTANCE_DISCOVERY) is used.
    type: bool
    default: true
  ca_path:
    description:
      - A file with the certificates of the CA to trust, for sign-in and API. It wins over E(REQUESTS_CA_BUNDLE), which is used
        when this option is not set. Where neither is set, the certificates of the system's store, or those that E(SSL_CERT_FILE) and
        E(SSL_CERT_DIR) name, are trusted as well as those that come with requests.
      - If not set, the value of environment variable E(MDE_CA_PATH) is used.
    type: path
  validate_certs:
    description:
      - Whether certificates are checked, for sign-in and API. Prefer O(ca_path) to switching this off.
      - If not set, the value of environment variable E(MDE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  proxy:
    description:
      - Address of the proxy for sign-in and API. It wins over E(HTTPS_PROXY), which is used when this option is not set.
        Loopback and the metadata endpoints of Azure are never asked through a proxy. Its password is kept out of all output.
      - Special characters in its user and password, such as C(#) and C(/), are percent-encoded, in the environment as well.
      - If not set, the value of environment variable E(MDE_PROXY) is used.
    type: str
  timeout:
    description:
      - Seconds for one request, from the connection, also through a proxy, to the last byte of the response.
    type: int
    default: 30
  retry_timeout:
    description:
      - Seconds that throttling and retries of one call may take together. What the service asks to wait is never shortened;
        when it asks for more than is left, the task fails at once and says when to come back.
      - Waiting for the pace of O(calls_per_minute) and O(calls_per_hour) does not count.
      - By default 300, and 3900 for a list of devices, which so outlasts a quota that others have used up for an hour.
      - A host that never answered in this run is given up after 60 seconds.
    type: int
requirements:
  - requests >= 2.28
  - msal >= 1.35.0, unless O(access_token) or O(auth_source=azure_cli) is used
"""

    PLUGINS: str = _for_plugins(DOCUMENTATION)
