"""Requests made up from our own description, good and bad: what it says holds, and what is refused changes nothing."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from localocean.api.app import ROWS
from localocean.api.openapi import document
from localocean.api.schemas import RESOURCES
from tests.fuzz.conftest import Target

EXAMPLES = 6
"""Requests per operation and kind, the same in each run, unless --fuzz-examples asks for others."""

OFFERED = {(row.method, row.path): row for row in ROWS}
# A reset would take away what the other requests aim at; the description of everything takes long to check.
LEFT_OUT = {("POST", "/_localocean/reset"), ("GET", "/_localocean/openapi.json")}
load_all_checks()
HELD = ("response_schema_conformance", "status_code_conformance", "content_type_conformance")


CASES = [
    (method, path, mode)
    for method, path in sorted(OFFERED.keys() - LEFT_OUT)
    for mode in GenerationMode
    # Where only the path can vary, any text is as good as another.
    if mode is GenerationMode.POSITIVE or OFFERED[method, path].body or OFFERED[method, path].operation.query
]


def test_every_name_in_a_path_is_known_to_exist(target: Target) -> None:
    """Else an operation would only ever be asked for what is not there. No VPC but the default and no fault is kept."""
    names = {name for _, path in OFFERED for name in re.findall(r"{(\w+)}", path)}
    assert names - target.furnish().keys() == {"fault", "vpc"}


@pytest.mark.parametrize("method, path, mode", CASES)
def test_an_operation(
    target: Target, request: pytest.FixtureRequest, method: str, path: str, mode: GenerationMode
) -> None:
    examples = request.config.getoption("--fuzz-examples")
    operation = schemathesis.openapi.from_dict(aimed(document(ROWS), target.furnish()))[path][method]
    checks: Any = CHECKS.get_by_names(list(HELD))

    @settings(
        max_examples=examples or EXAMPLES,
        derandomize=examples is None,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: schemathesis.Case[Any]) -> None:
        before = target.state()
        response = case.call(base_url=target.url, session=target.session)
        told = (
            f"{method} {path} {case.path_parameters} {case.query} {case.body!r}: {response.status_code} {response.text}"
        )
        assert response.status_code < 500 or response.status_code == 501, told
        assert "Traceback" not in response.text, told
        if response.status_code >= 400:
            assert target.state() == before, f"refused, but something changed: {told}"
        case.validate_response(response, checks=checks)

    attempt()


def aimed(description: dict[str, Any], known: dict[str, list[Any]]) -> dict[str, Any]:
    """The description, with names that exist among the values that may be chosen, so that not all is refused."""
    described = copy.deepcopy(description)
    del described["security"]
    for path in described["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
            for parameter in operation["parameters"]:
                parameter["schema"] = _likely(parameter["name"], parameter["schema"], known)
    schemas = described["components"]["schemas"]
    for name in schemas.keys() - RESOURCES.keys():  # those of bodies
        _aim(schemas[name], known)
    return described


def _aim(node: Any, known: dict[str, list[Any]]) -> None:
    if isinstance(node, list):
        for value in node:
            _aim(value, known)
    if isinstance(node, dict):
        for value in node.values():
            _aim(value, known)
        properties = node.get("properties", {})
        node |= {"properties": {n: _likely(n, s, known) for n, s in properties.items()}} if properties else {}


def _likely(name: str, schema: dict[str, Any], known: dict[str, list[Any]]) -> dict[str, Any]:
    values = known.get(name)
    return {"anyOf": [{"enum": values}, schema]} if values else schema
