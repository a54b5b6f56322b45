"""What a new release is made of: an image, settings, secrets. What cannot be is refused before anything is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from slipway.contract import Contract
from slipway.database import lease
from slipway.environment import boot, reference, secrets
from slipway.environment.reference import Reference, Release, check_template, template_digest
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import offered
from slipway.graph.graph import BootData
from slipway.image import image, manifest
from slipway.names import database_user
from slipway.project import OURS, Project
from slipway.tools.digitalocean import Image
from slipway.tools.terraform.engine import expression


def compose(
    session: Session,
    current: Reference,
    version: str | None,
    config: Mapping[str, str] | None,
    size: str | None = None,
) -> Release:
    """A release of a version's image (by default the live one's), with the live release's config and what is given.

    A setting that slipway.toml names among the secrets by now is left out: its value comes from their source. Raises
    PipelineError for a setting that the image's app does not know.
    """
    live = current.releases[current.live] if current.live else None
    if version is None:
        if live is None:
            raise PipelineError(
                "Nothing is live whose settings could be changed.", "./invoke build deploy --version v1"
            )
        version = live.version
    found: Image = image.find(session.settings.names, session.api.images(), version)
    _check_size(session, size or (live.size if live else session.settings.project.droplet.size))
    project = session.settings.project
    elsewhere = {*project.secrets.names, *project.app.settings}
    kept = {name: value for name, value in (live.config if live else {}).items() if name not in elsewhere}
    settings = {**kept, **(config or {})}
    reference.check_config(settings, project.app.settings)
    _check_settings(session, found.name, version, config or {})
    found_secrets = _secrets(session)
    if live and not size and live.size != project.droplet.size:
        wanted = project.droplet.size
        session.progress.warn(f"the size stays {live.size}; slipway.toml says {wanted}: --size changes it")
    _refuse_to_lose_the_database(project, live)
    release = Release(
        version=version,
        commit=found.label("commit"),
        image=found.name,
        size=size or (live.size if live else project.droplet.size),
        template=template_digest(project.root),
        config=settings,
        database_user=(live.database_user if live else "") or database_user(1) if project.database else "",
        database_expires=live.database_expires if live and project.database else "",
        secrets=secrets.fingerprints(found_secrets, session.key),
        app=(contract := Contract.from_label(found.label("contract"))),
        templates=_templates(project, version, found.label("commit"), contract),
    )
    boot.encoded(release, {name: each.reveal() for name, each in found_secrets.items()})  # refused here if too long
    return release


def _templates(project: Project, version: str, commit: str, contract: Contract | None) -> dict[str, str]:
    """The variables whose values come with the droplet, as far as they are known now."""
    if used := [name for name, text in project.app.templates.items() if "{database_" in text and not project.database]:
        raise PipelineError(
            f"app.settings.{used[0]} names the database, and slipway.toml has no [database].",
            "Add the table, or take the variable out.",
        )
    known = {"version": version, "commit": commit, "port": str(contract.port if contract else project.app.port)}
    found = dict(project.app.templates)
    for name, value in known.items():
        found = {variable: text.replace(f"{{{name}}}", value) for variable, text in found.items()}
    return found


def of_today(session: Session, release: Release) -> Release:
    """The same release with today's template and today's secrets, for a droplet that is made anew."""
    return replace(
        release,
        template=template_digest(session.settings.project.root),
        secrets=secrets.fingerprints(_secrets(session), session.key),
    )


def boot_data(
    session: Session,
    standing: Collection[str],
    target: Reference,
    passwords: Mapping[str, secrets.Secret] | None = None,
) -> BootData:
    """Settings and secrets for the droplets that have to be created.

    Raises PipelineError for a droplet that would differ from its release.
    """
    passwords = passwords or {}
    made = {key: target.releases[key] for key in target.running if key not in standing}
    for release in made.values():
        check_template(session.settings.project.root, release)
    lease.refuse_lost(made, passwords)
    values = _values(session, made)
    told = {user: each.reveal() for user, each in passwords.items()}
    return BootData(made.keys(), {**boot.variable(made, values), "TF_VAR_database_passwords": expression(told)})


def _check_size(session: Session, slug: str) -> None:
    if said := offered.droplet_refusal(session.api.sizes(), slug, session.settings.project.droplet.region):
        raise PipelineError(said, "Give another with --size, or in slipway.toml. Nothing was changed.")


def _refuse_to_lose_the_database(project: Project, live: Release | None) -> None:
    if live and live.database_user and project.database is None:
        raise PipelineError(
            f"slipway.toml has no [database], and {live.key}, which is live, uses one.",
            "Put the table back: git log -p slipway.toml. ./invoke destroy --with-database removes the database.",
        )


def _check_settings(session: Session, image_name: str, version: str, given: Mapping[str, str]) -> None:
    """Raise PipelineError for a setting that the app does not know, by the manifest that its image was baked with.

    Where that is not to be had (an image baked elsewhere) the app itself refuses, and the gate says so.
    """
    if not given:
        return
    _refuse_secrets(given, session.settings.project.secrets.names)
    try:
        contents = manifest.of(session, image_name)
    except PipelineError:
        return
    hidden = {*contents.secret, *session.settings.project.secrets.names}
    _refuse_secrets(given, hidden)
    known = sorted({*(contents.settings or ())} - hidden - OURS)
    if known and (unknown := sorted(set(given) - set(known))):
        raise PipelineError(
            f"The app of {version} does not know the setting {', '.join(unknown)}.", f"It knows {', '.join(known)}."
        )


def _refuse_secrets(given: Mapping[str, str], hidden: Collection[str]) -> None:
    if secret := sorted(set(hidden) & set(given)):
        raise PipelineError(
            f"{', '.join(secret)} is a secret, and what --set is given lies in git.",
            "Name it in slipway.toml, [secrets] names = […], and give its value there where source says.",
        )


def _values(session: Session, made: Mapping[str, Release]) -> dict[str, dict[str, str]]:
    """The secrets of the releases whose droplets are to be made, by release key.

    Raises PipelineError when a source no longer has the value that a release was made with.
    """
    if not any(release.secrets for release in made.values()):
        return {}
    found = _secrets(session)
    now = secrets.fingerprints(found, session.key)
    for release in made.values():
        if changed := sorted(name for name, print_ in release.secrets.items() if now.get(name) != print_):
            raise PipelineError(
                f"Release {release.key} was made with another value of {', '.join(changed)} than there is now.",
                f"Make a release with today's: ./invoke deploy --version {release.version}",
            )
    return {key: {name: found[name].reveal() for name in release.secrets} for key, release in made.items()}


def _secrets(session: Session) -> dict[str, secrets.Secret]:
    source = secrets.source(session.settings, session.environ)
    return secrets.collect(source, session.settings.project.secrets.names)
