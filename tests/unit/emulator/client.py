# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of the emulator's API with the library requests."""

from __future__ import annotations

from typing import Any

import requests

from ansible_collections.secops.mde.tests.emulator import Emulator

PC1 = "a1" * 20


class Client:
    """Calls the API of an emulator with a token."""

    def __init__(self, service: Emulator, **token: Any) -> None:
        self.service = service
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = service.ca_path
        self.session.headers["Authorization"] = f"Bearer {service.token(**token)}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request to the API. The path begins after ``/api``."""
        return self.session.request(method, f"{self.service.api_url}/api{path}", timeout=10, **more)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Send a GET. Keyword arguments are query options without the dollar sign."""
        return self.call("GET", path, params={f"${name}": value for name, value in options.items()})

    def post(self, path: str, body: Any = None) -> requests.Response:
        """Send a POST with JSON."""
        return self.call("POST", path, json=body)

    def offboard(self, machine_id: str = PC1, comment: str = "CHG-1 decommission") -> requests.Response:
        """Send an offboard request."""
        return self.post(f"/machines/{machine_id}/offboard", {"Comment": comment})

    def names(self, text: str) -> list[str]:
        """Return the names of the machines that match a filter."""
        response = self.get("/machines", filter=text)
        assert response.status_code == 200, response.text
        return [item["computerDnsName"] for item in response.json()["value"]]
