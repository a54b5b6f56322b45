"""A droplet's app, asked as its users ask it."""

from __future__ import annotations

import pytest
import requests

from slipway.verification.app_client import AppClient


class Site(AppClient):
    """The droplet's site."""

    def ask(self, path: str, method: str = "GET") -> requests.Response:
        """The whole answer; without one the test fails with a sentence."""
        try:
            return super().ask(path, method)
        except requests.RequestException as error:
            raise pytest.fail.Exception(f"{self.base}{path} does not answer: {error}", pytrace=False) from None
