"""What every answer has, also the one that nobody foresaw."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from localocean.api.app import build
from localocean.engine.cloud import Cloud
from tests.unit.localocean.machines import Rooms


def test_what_nobody_foresaw_is_an_answer_like_all_others(
    cloud: Cloud, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cloud.tags, "page", lambda page: 1 / 0)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(build(cloud, "token"))
        async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as client:
            return await client.get("/v2/tags", headers={"Authorization": "Bearer token"})

    with caplog.at_level("INFO", "localocean"):
        answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["id"]) == (500, "server_error")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["ratelimit-limit"] == "5000"
    assert "ZeroDivisionError" in caplog.text
    assert any("GET /v2/tags 500" in line for line in caplog.messages)
