"""What a new release is made of: its settings, its secrets, and what is refused before anything is made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway.config import Cloud, Settings
from slipway.environment.keys import DeployKey
from slipway.environment.reference import CLOUD_INIT, Reference, Release
from slipway.errors import PipelineError
from slipway.release.compose import compose
from slipway.tools.digitalocean import Image, Size
from tests.unit.slipway.projects import project

TOKEN = "0123456789abcdef"
SIZES = {"s-1vcpu-1gb": Size("s-1vcpu-1gb", 6.0, 0.01, ("fra1",))}
IMAGE = Image(1, "app-v1-0123456789ab", "2026-01-01T00:00:00Z", 1.0, ("slipway:app", "slipway", "commit:c0ffee"))


def session(root: Path, *secrets: str, **environ: str) -> Any:
    (root / "provisioning").mkdir()
    (root / "provisioning" / "provision.sh").touch()
    (root / "provisioning" / CLOUD_INIT).write_text("#cloud-config\n")
    key = DeployKey.load(root / "work", None)

    def droplets(*_: object) -> None:
        raise PipelineError("Nothing runs.")

    return cast(
        Any,
        SimpleNamespace(
            settings=Settings(
                project(root, "app", secrets={"names": list(secrets)}),
                "local",
                Cloud("local", "http://127.0.0.1:1", "token"),
            ),
            environ=environ,
            key=key,
            api=SimpleNamespace(images=lambda: [IMAGE], droplets=droplets, sizes=lambda: SIZES),
            outputs=dict,
            progress=SimpleNamespace(warn=print),
        ),
    )


def live(**config: str) -> Reference:
    return Reference().deploying(Release("v1", "c0ffee", IMAGE.name, "s-1vcpu-1gb", "feed", config))


def test_a_setting_that_became_a_secret_leaves_git(tmp_path: Path) -> None:
    current = live(APP_MESSAGE="hello", APP_WRITE_TOKEN=TOKEN)
    made = compose(session(tmp_path, "APP_WRITE_TOKEN", APP_WRITE_TOKEN=TOKEN), current, None, None)
    assert made.config == {"APP_MESSAGE": "hello"}
    assert list(made.secrets) == ["APP_WRITE_TOKEN"] and TOKEN not in str(made)


def test_a_secret_is_not_set_even_where_the_image_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="APP_WRITE_TOKEN is a secret, and what --set is given lies in git"):
        compose(
            session(tmp_path, "APP_WRITE_TOKEN", APP_WRITE_TOKEN=TOKEN), live(), None, {"APP_WRITE_TOKEN": "another"}
        )


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("", "The environment does not have APP_KEY"),
        ("caf\udce9", "The secret APP_KEY is not UTF-8 at character 4"),
        ("a\uffff", "The secret APP_KEY has U\\+FFFF at character 2"),
        ("x" * 50_000, "come to 50\\d+ bytes; the limit is 43008"),
    ],
)
def test_a_secret_that_cannot_arrive_is_refused_at_once_without_its_value(
    tmp_path: Path, secret: str, says: str
) -> None:
    with pytest.raises(PipelineError, match=says) as error:
        compose(session(tmp_path, "APP_KEY", APP_KEY=secret), live(), "v1", {"APP_MESSAGE": "x"})
    assert not secret or secret not in error.value.message + error.value.hint


def test_settings_together_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="The settings come to 2[0-9]+ bytes; the limit is 20480"):
        compose(session(tmp_path), live(APP_MESSAGE="x" * 12_000), None, {"APP_OTHER": "x" * 12_000})
