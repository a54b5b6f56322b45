"""What is kept of a failure holds no secret that the droplet was given."""

from __future__ import annotations

from pipeline.redaction import Redactor

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
