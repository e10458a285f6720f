"""Models named by an alias of MLflow's registry: what the name means is fetched once, checked, and stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.registry import located
from ssbray.errors import InputError
from ssbray.service.models import Eye, Oracle, release
from ssbray.service.settings import Settings
from ssbray.tracking import SEGMENTER, SURROGATE, Scores, promote, register

CHAMPION = f"models:/{SURROGATE}@champion"


def test_the_champion_is_served_until_another_is(models, tmp_path, cli):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for number, nll in enumerate((-0.5, -1.0)):
        register(uri, SURROGATE, Path(models[number]["surrogate"]), Scores(nll=nll, coverage90=0.9, n=100, data="same"))
    register(uri, SEGMENTER, Path(models[0]["segmenter"]), None)
    assert promote(uri, SURROGATE, 1).promoted
    settings = Settings(surrogate=CHAMPION, segmenter=f"models:/{SEGMENTER}/1", tracking_uri=uri,
                        cache=str(tmp_path / "cache"))

    first, versions = located(settings)
    assert versions == {"segmenter": f"models:/{SEGMENTER}/1", "surrogate": f"models:/{SURROGATE}/1"}
    assert release(first) == release(Settings(**models[0]))  # named or given as a directory, the files decide
    wanted = Oracle(models[0]["surrogate"]).version
    assert Oracle(first.surrogate).version == wanted
    assert Eye(first.segmenter).version == Eye(models[0]["segmenter"]).version

    assert promote(uri, SURROGATE, 2).promoted
    second, versions = located(settings)
    assert versions["surrogate"] == f"models:/{SURROGATE}/2"
    assert release(second) != release(first)
    assert Oracle(first.surrogate).version == wanted  # a replica of the old release that starts again is still of it

    options = ("--tracking-uri", uri, "--config", _config(tmp_path, cache=settings.cache))
    for name, told in ((f"models:/{SURROGATE}@chmapion", "versions 1, 2 (champion)"),
                       ("models:/nobody@champion", "no such model"), ("models:/", "models:/NAME@champion")):
        code, _, err = cli("serve", "--model", name, *options)
        assert (code, err.count("\n")) == (2, 1), err
        assert told in err


def test_a_name_needs_a_place_to_look_it_up(monkeypatch, tmp_path, cli):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match="--tracking-uri"):
        located(Settings(surrogate=CHAMPION))
    code, _, err = cli("serve", "--model", CHAMPION, "--tracking-uri", f"sqlite:///{tmp_path / 'none.db'}")
    assert (code, err.count("\n")) == (2, 1), err
    assert not (tmp_path / "none.db").exists()


def _config(place, **given):
    import yaml

    path = place / "serve.yaml"
    path.write_text(yaml.safe_dump({"applications": [{"import_path": "serve.app:build", "args": given}]}))
    return path
