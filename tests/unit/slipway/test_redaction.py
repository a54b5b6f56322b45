"""What is kept of a failure holds no secret that the droplet was given."""

from __future__ import annotations

import time

import pytest

from slipway import redaction
from slipway.environment.secrets import Secret
from slipway.redaction import Redactor

CONF_ENV = r"""APP_DATABASE_URL="postgres://app_1:p%2Fss%3Aword@10.0.0.2:25060/app?sslmode=verify-full"
APP_MESSAGE="Hello, world"
APP_RELEASE="v1-12345678"
APP_WRITE_TOKEN="quoted \"token\" \\ here"
"""


def test_the_values_of_secrets_go_and_those_of_the_reference_file_stay() -> None:
    redact = Redactor.of_configuration(CONF_ENV, {"APP_MESSAGE", "APP_RELEASE"})
    kept = redact(r'Hello, world from v1-12345678: token quoted "token" \ here, password p/ss:word or p%2Fss%3Aword')
    assert kept == "Hello, world from v1-12345678: token [hidden], password [hidden] or [hidden]"


def test_a_password_in_any_url_goes() -> None:
    redact = Redactor()
    text = "dial postgres://doadmin:hunter2@10.0.0.2:25060/app failed; http://198.18.0.4:80/ answers"
    assert redact(text) == "dial postgres://doadmin:[hidden]@10.0.0.2:25060/app failed; http://198.18.0.4:80/ answers"


def test_a_private_key_goes_even_when_it_is_cut_off() -> None:
    whole = "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\nz"
    assert Redactor()(whole) == "a\n[hidden]\nz"
    assert "b3Bl" not in Redactor()("-----BEGIN PRIVATE KEY-----\nb3Bl")


@pytest.mark.parametrize(
    "text",
    [
        '{"user": {"name": "app_1", "password": "hunter2\\"x"}}',
        '{\\"password\\": \\"hunter2\\"}',
        "password=hunter2&sslmode=require",
        "Authorization: Bearer hunter2",
        'authorization: ["Bearer hunter2"]',
        "POSTGRES://u:hunter2@x@host/db",
        "SECRET_KEY = 'hunter2'",
    ],
)
def test_what_a_tool_that_logs_everything_writes_holds_no_password(text: str) -> None:
    assert "hunter2" not in Redactor()(text) and "[hidden]" in Redactor()(text)


def test_our_own_hints_stay_as_they_are() -> None:
    for hint in ("export DIGITALOCEAN_TOKEN=…, or leave --environment out", "Is DIGITALOCEAN_TOKEN right?"):
        assert Redactor()(hint) == hint


def test_a_secret_that_this_process_has_is_hidden_everywhere() -> None:
    Secret('s3cr3t "value"')
    text = 's3cr3t "value", s3cr3t \\"value\\", s3cr3t%20%22value%22, czNjcjN0ICJ2YWx1ZSI='
    assert redaction.hide(text) == "[hidden], [hidden], [hidden], [hidden]"
    assert Redactor(["another one"])(text).count("[hidden]") == 4


HARD = [
    *("a", "a.", "://", "x://u:", "x://a:b", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "AB ", "password", "token "),
    *("password=", 'password": "', 'password\\": \\"', "secret\t", "authorization: ", "authorization: bearer", "@"),
]


@pytest.mark.parametrize("unit", HARD)
def test_eight_times_the_text_takes_some_eight_times_as_long(unit: str) -> None:
    def seconds(size: int) -> float:
        text, taken = (unit * size)[:size], []
        for _ in range(3):
            start = time.process_time()
            Redactor()(text)
            taken.append(time.process_time() - start)
        return min(taken)

    assert seconds(160_000) < 30 * seconds(20_000), "what looks at each character again for each takes 64 times"
