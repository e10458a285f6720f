"""Settings, keys, and who may listen where: everything that is decided before anything starts."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ssbray.errors import InputError
from ssbray.service.keys import Keys, add
from ssbray.service.settings import Settings, check_bind, parse, read

ROOT = Path(__file__).parents[2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray Serve's own, on import
def test_the_bundled_file_is_understood_by_all_three_ways():
    from ray.serve.schema import ServeDeploySchema

    path = ROOT / "serve" / "serve.yaml"
    settings = parse(read(path))
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    content = yaml.safe_load(path.read_text())
    ServeDeploySchema.model_validate(content)
    assert set(content) <= set(ServeDeploySchema.model_fields)
    (application,) = content["applications"]
    assert application["import_path"] == "serve.app:build"
    Settings.model_validate(application["args"])


@pytest.mark.parametrize(("given", "field", "told"), [
    ({"segmentor": "x"}, "segmentor", "did you mean 'segmenter'"), ({"limits": {"pixel": 3}}, "limits.pixel", "pixels"),
    ({"port": 99999}, "port", ""), ({"limits": {"timeout_s": 0}}, "limits.timeout_s", ""),
    ({"limits": {"timeout_s": float("inf")}}, "limits.timeout_s", ""), ({"device": "tpu"}, "device", "")])
def test_what_is_wrong_in_settings_is_named(given, field, told):
    with pytest.raises(InputError) as caught:
        parse(given)
    assert caught.value.field == field
    assert told in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "applications: []", "[]", "applications: [{args: {}}, {args: {}}]", "\x00"])
def test_a_file_that_is_none_is_one_line(cli, tmp_path, text):
    (tmp_path / "serve.yaml").write_text(text)
    code, _, err = cli("serve", "--config", tmp_path / "serve.yaml")
    assert (code, err.count("\n")) == (2, 1)
    assert "serve.yaml" in err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_other_machines_are_not_served_without_a_key(cli, host, tmp_path):
    code, _, err = cli("serve", "--host", host, "--surrogate", "nowhere")
    assert code == 2
    assert "--i-know-this-is-open" in err
    assert err.count("\n") == 1
    check_bind(Settings(host=host or "x", known_open=True))
    check_bind(Settings(host=host or "x", keys="file"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_is_served(host):
    check_bind(Settings(host=host))


def test_the_host_that_ray_serve_was_started_with_counts():
    with pytest.raises(InputError):
        check_bind(Settings(), "0.0.0.0")


def test_a_key_is_made_shown_once_and_kept_as_a_hash(cli, tmp_path):
    path = tmp_path / "keys"
    code, key, err = cli("serve", "--new-key", "ada", "--keys", path)
    assert code == 0
    key = key.strip()
    assert len(key) > 30
    assert key not in err
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = add(path, "bob")
    keys = Keys.read(path)
    assert (keys.who(key), keys.who(other), keys.who("guess"), keys.who("")) == ("ada", "bob", None, None)
    assert cli("serve", "--new-key", "ada", "--keys", path)[0] == 2
    assert cli("serve", "--new-key", "a b", "--keys", path)[0] == 2
    assert cli("serve", "--new-key", "cy")[0] == 2


def test_a_key_file_that_others_read_is_refused(cli, tmp_path):
    path = tmp_path / "keys"
    add(path, "ada")
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        Keys.read(path)


@pytest.mark.parametrize("text", ["", "# nobody\n", "ada\n", "ada 1234\n",
                                  "ada " + 64 * "0" + "\nada " + 64 * "1" + "\n"])
def test_a_key_file_without_keys_is_refused(tmp_path, text):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InputError):
        Keys.read(path)


def test_models_that_are_missing_are_one_line_before_anything_starts(cli, models, tmp_path):
    for more in (("--surrogate", tmp_path / "none"), (), ("--surrogate", models[0]["surrogate"], "--segmenter", "none"),
                 ("--surrogate", models[0]["surrogate"], "--spec", "none.yaml"),
                 ("--surrogate", models[0]["surrogate"], "--keys", "none")):
        code, _, err = cli("serve", *more)
        assert (code, err.count("\n")) == (2, 1), err


def test_the_front_needs_no_nets():
    """Three replicas share a laptop: the one that only talks is small, and soon up."""
    code = ("import sys, serve.front, serve.backend, ssbray.service.models, ssbray.service.answer\n"
            "assert not {'torch', 'pyro', 'petsc4py', 'mlflow'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)
