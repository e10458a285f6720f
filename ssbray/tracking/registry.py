"""Trained models in MLflow's registry: versions with their files and held-out scores, and one champion by name."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssbray.errors import InputError
from ssbray.files import dump_json
from ssbray.tracking.contest import Decision, Scores, judge
from ssbray.tracking.store import database_of, describe, experiment_of, prepare

SURROGATE, SEGMENTER = "ssbray-surrogate", "ssbray-segmenter"
CHAMPION = "champion"  #: alias of the version that others should use
FOLDER = "bundle"  #: of the run that holds a version's files, with the beginning of their digest
DIGEST = "ssbray.sha256"
ADDRESS = re.compile(r"models:/(?P<name>\w[\w.\- ]*)(?:@(?P<alias>[\w.\-]+)|/(?P<version>[1-9]\d*))")


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered model."""

    name: str
    version: int
    sha256: str | None  #: of its files, see `digest`; None where something else registered it
    scores: Scores | None  #: on specimens that it has not seen; None where it was not scored
    aliases: tuple[str, ...]
    run_id: str | None

    @property
    def champion(self) -> bool:
        """Whether others should use this one."""
        return CHAMPION in self.aliases


def register(uri: str, name: str, bundle: Path, scores: Scores | None, *, run_id: str | None = None,
             home: Path | None = None) -> Version:
    """Keep a model's files as a new version of a name; files that are there already give the version they have.

    Parameters
    ----------
    uri : of MLflow.
    name : of the model, `SURROGATE` or `SEGMENTER`.
    bundle : directory that `ssbray train` or a campaign wrote.
    scores : on specimens that the model has not seen.
    run_id : run that made it, which then holds the files; a run of its own when not given.
    home : of campaigns, where the files of a run of its own go if the store is a database that has no place for files
        (`store.experiment_of`).

    Raises
    ------
    InputError
        The bundle is empty, or MLflow cannot be reached.
    """
    sha256 = digest(bundle)
    with _asking(uri, new=True) as client:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        tags = {DIGEST: sha256} | (scores.as_tags() if scores is not None else {})
        for found in _versions(client, name):
            if found.sha256 == sha256:
                for key, value in tags.items():  # the same model may have been scored since
                    client.set_model_version_tag(name, str(found.version), key, value)
                return _version(client, name, found.version)
        own = run_id is None
        run = run_id or client.create_run(experiment_of(client, uri, "ssbray-models", home=home), run_name=name
                                          ).info.run_id
        folder = f"{FOLDER}-{sha256[:12]}"
        client.log_artifacts(run, str(bundle), folder)
        made = client.create_model_version(name, f"runs:/{run}/{folder}", run_id=run, tags=tags,
                                          description=None if scores is None else scores.in_words())
        if own:
            client.set_terminated(run)
        return _version(client, name, int(made.version))


def promote(uri: str, name: str, version: int, *, scores: Mapping[int, Scores] | None = None, anyway: bool = False
            ) -> Decision:
    """Make a version the champion, if it has earned it (`contest.judge`), or because somebody says so.

    Parameters
    ----------
    uri, name : of MLflow, and of the model.
    version : the challenger.
    scores : of both, on the same specimens, in place of those that they were registered with.
    anyway : whatever the scores say; the only way for a model that has none, as segmenters have.
    """
    with _asking(uri) as client:
        known = {found.version: found for found in _versions(client, name)}
        if version not in known:
            raise _absent(f"models:/{name}/{version}", known.values())
        holder = next((found.version for found in known.values() if found.champion), None)
        score = {number: (scores or {}).get(number, found.scores) for number, found in known.items()}
        decision = judge(version, score[version], holder, score[holder] if holder is not None else None)
        if anyway and not decision.promoted:
            decision = Decision(promoted=True, version=version, champion=version, reason=f"asked for, although: "
                                f"{decision.reason}")
        if decision.promoted and holder != version:
            client.set_registered_model_alias(name, CHAMPION, str(version))
        return decision


def versions(uri: str, name: str) -> list[Version]:
    """Versions of a model, oldest first; none where the name is not known."""
    with _asking(uri) as client:
        return _versions(client, name)


def find(uri: str, model: str) -> Version:
    """The version that "models:/NAME@ALIAS" or "models:/NAME/3" means."""
    address = ADDRESS.fullmatch(model)
    if address is None:
        raise InputError("model", model, "write models:/NAME@champion or models:/NAME/3")
    with _asking(uri) as client:
        known = _versions(client, address["name"])
        for found in known:
            if str(found.version) == address["version"] or address["alias"] in found.aliases:
                return found
        raise _absent(model, known)


def fetch(uri: str, model: str, into: Path) -> Path:
    """Bring a registered model to this machine.

    Parameters
    ----------
    uri : of MLflow.
    model : "models:/NAME@champion", or "models:/NAME/3".
    into : directory for models; made if it is not there.

    Returns
    -------
    INTO/NAME/VERSION, which holds the files exactly as they were registered (sha256), whole or not there.

    Raises
    ------
    InputError
        No such model, version or alias; MLflow cannot be reached; or the files are gone or have changed.
    """
    found = find(uri, model)
    if found.sha256 is None:
        raise InputError("model", model, f"version {found.version} was not registered by ssbray: its files cannot be "
                         "checked")
    place = into / found.name / str(found.version)
    if place.is_dir() and _digest_or_none(place) == found.sha256:
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetch-") as draft:
        got = _download(uri, found, model, draft)
        if _digest_or_none(got) != found.sha256:
            raise InputError("model", model, f"the stored files of version {found.version} are not those that were "
                             "registered (sha256 differs): register the model anew")
        if place.exists():
            shutil.rmtree(place)
        got.rename(place)
    return place


def digest(bundle: Path) -> str:
    """sha256 of a directory: of the names of its files and their own digests."""
    names = sorted(path for path in bundle.rglob("*") if path.is_file()) if bundle.is_dir() else []
    if not names:
        raise InputError("model", str(bundle), "holds no files: give a directory that `ssbray train` wrote")
    each = [[path.relative_to(bundle).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in names]
    return hashlib.sha256(dump_json(each).encode()).hexdigest()


def _digest_or_none(bundle: Path) -> str | None:
    try:
        return digest(bundle)
    except InputError:
        return None


def _download(uri: str, found: Version, model: str, draft: str) -> Path:
    from mlflow import MlflowClient, artifacts

    source = MlflowClient(tracking_uri=uri, registry_uri=uri).get_model_version_download_uri(found.name,
                                                                                           str(found.version))
    try:
        return Path(artifacts.download_artifacts(artifact_uri=source, dst_path=draft, tracking_uri=uri))
    except Exception as error:  # every artefact store has errors of its own
        raise InputError("model", model, f"the files of version {found.version} cannot be had from {source} "
                         f"({describe(error)}): register the model anew") from None


def _versions(client: Any, name: str) -> list[Version]:
    found = client.search_model_versions(f"name = '{name}'")
    return [_version(client, name, number) for number in sorted(int(each.version) for each in found)]


def _version(client: Any, name: str, number: int) -> Version:
    """One version; unlike a search's, its aliases are complete."""
    one = client.get_model_version(name, str(number))
    return Version(name=name, version=number, sha256=one.tags.get(DIGEST), scores=Scores.of_tags(one.tags),
                   aliases=tuple(one.aliases), run_id=one.run_id)


def _absent(model: str, known: Any) -> InputError:
    listing = ", ".join(f"{each.version}{' (champion)' if each.champion else ''}" for each in known)
    return InputError("model", model, f"no such model: there are versions {listing}" if listing else
                      "no such model: see `ssbray models list`")


@contextmanager
def _asking(uri: str, *, new: bool = False) -> Iterator[Any]:
    """A client, of a store that may be `new`; what MLflow says against it is for the user to mend."""
    path = database_of(uri)
    if path is not None and not path.exists() and not new:
        raise InputError("MLflow", uri, "there is no such store: name that of a home of campaigns")
    prepare()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, OSError) as error:
        raise InputError("MLflow", uri, f"does not answer as it should ({describe(error)})") from None
