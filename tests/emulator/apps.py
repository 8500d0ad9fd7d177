# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""App registrations."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509


@dataclass
class Federated:
    """A federated credential: tokens of this issuer and subject, signed with this key, identify the app."""

    issuer: str
    subject: str
    key: Any
    audience: str = "api://AzureADTokenExchange"


@dataclass
class App:
    """An app registration with its granted roles."""

    name: str
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str | None = field(default_factory=lambda: f"{secrets.token_urlsafe(24)}~fake")
    roles: list[str] = field(default_factory=list)
    secret_expired: bool = False
    disabled: bool = False
    certificates: list[x509.Certificate] = field(default_factory=list)
    federated: list[Federated] = field(default_factory=list)
