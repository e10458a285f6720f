"""The manifests for Kubernetes and AWS: their shape, and our rules for what runs in the open."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import ray
import yaml

from ssbray import campaign
from ssbray.cli.main import parser

ROOT = Path(__file__).parents[2]
#: fields of the ray.io/v1 resources that we use or might
JOB = {"entrypoint", "runtimeEnvYAML", "backoffLimit", "activeDeadlineSeconds", "shutdownAfterJobFinishes",
       "ttlSecondsAfterFinished", "rayClusterSpec", "jobId", "metadata", "suspend", "submissionMode",
       "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "clusterSelector", "submitterPodTemplate"}
CLUSTER = {"rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec",
           "workerGroupSpecs", "gcsFaultToleranceOptions", "suspend", "headServiceAnnotations"}
HEAD = {"serviceType", "rayStartParams", "template", "enableIngress", "headService"}
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "rayStartParams", "template",
         "numOfHosts", "suspend"}


@pytest.fixture(scope="module")
def manifests():
    return {each["kind"]: each for each in yaml.safe_load_all((ROOT / "jobs" / "rayjob.yaml").read_text())}


@pytest.fixture(scope="module")
def cluster(manifests):
    return manifests["RayJob"]["spec"]["rayClusterSpec"]


def pods(cluster):
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_every_field_is_one_that_kuberay_knows(manifests, cluster):
    job = manifests["RayJob"]
    assert (job["apiVersion"], set(job)) == ("ray.io/v1", {"apiVersion", "kind", "metadata", "spec"})
    assert set(job["spec"]) <= JOB
    assert set(cluster) <= CLUSTER
    assert set(cluster["headGroupSpec"]) <= HEAD
    for group in cluster["workerGroupSpecs"]:
        assert set(group) <= GROUP
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for pod in pods(cluster):
        assert all(isinstance(value, str) for value in pod["rayStartParams"].values())
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", pod["template"]["spec"]["containers"][0]["name"])


def test_what_it_runs_is_a_command_and_a_spec_of_ours(manifests):
    words = shlex.split(manifests["RayJob"]["spec"]["entrypoint"])
    assert words[:2] == ["python", "jobs/campaign.py"]
    assert (ROOT / words[1]).exists()
    arguments = parser().parse_args(["campaign", "run", *words[2:]])
    assert campaign.load(ROOT / arguments.spec).name == "llzo-nmc"
    assert arguments.workers, "a cluster that starts without a CPU cannot be asked how many it has"
    environment = yaml.safe_load(manifests["RayJob"]["spec"]["runtimeEnvYAML"])
    assert set(environment) == {"working_dir", "env_vars"}


def test_no_solve_lands_on_the_head_and_what_was_solved_outlives_it(manifests, cluster):
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    claim = manifests["PersistentVolumeClaim"]["metadata"]["name"]
    volumes = {each["name"]: each for each in head["template"]["spec"]["volumes"]}
    mounts = {each["mountPath"]: each["name"] for each in head["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert volumes[mounts["/data"]]["persistentVolumeClaim"]["claimName"] == claim
    assert "--dir /data" in manifests["RayJob"]["spec"]["entrypoint"]
    assert manifests["RayJob"]["spec"]["backoffLimit"] > 0


def test_nothing_is_open_unpinned_or_privileged(cluster):
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert "0.0.0.0" not in (ROOT / "jobs" / "rayjob.yaml").read_text()
    for pod in pods(cluster):
        spec = pod["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        for container in spec["containers"]:
            assert re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", container["image"])
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"] == container["resources"]["limits"]
            assert "/dev/shm" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_what_the_aws_cluster_runs_is_there_when_it_runs():
    """A job finds our Python and a home for campaigns; the autoscaler finds boto3; nobody's campaigns are copied."""
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert commands[-1].startswith("PATH=$HOME/ssbray/.venv/bin:$PATH ")
        assert " ray start " in commands[-1]
    head = " ".join(config["head_setup_commands"])
    assert "install -q boto3==" in head
    text = (ROOT / "cluster.yaml").read_text()
    told = re.search(r"jobs/campaign\.py (\S+) --dir (\S+) --workers (\d+)", text)
    assert told is not None
    assert f"-o \"$(id -un)\" {told[2]}" in head
    arguments = parser().parse_args(["campaign", "run", *shlex.split(told[0])[1:]])
    assert campaign.load(ROOT / arguments.spec).name == "llzo-nmc"
    groups = config["available_node_types"]
    assert arguments.workers <= groups["solvers"]["max_workers"] * groups["solvers"]["resources"]["CPU"]
    assert sum(group["max_workers"] for group in groups.values()) == config["max_workers"]
    assert config["rsync_filter"] == [".gitignore"]
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"/campaigns/", "/models/", "/runs/"} <= set(ignored)


def test_each_image_of_the_aws_cluster_is_to_be_set_once():
    text = (ROOT / "cluster.yaml").read_text()
    assert len(re.findall(r"^ +ImageId: ami-0debian12", text, re.MULTILINE)) == 2
    assert "both ImageId entries" in text
    groups = yaml.safe_load(text)["available_node_types"]
    assert groups["solvers"]["node_config"]["ImageId"] == groups["head"]["node_config"]["ImageId"]
    assert groups["learner"]["node_config"]["ImageId"] != groups["head"]["node_config"]["ImageId"]


def test_compare_is_the_command():
    text = (ROOT / "jobs" / "compare.py").read_text()
    assert '"campaign", "compare"' in text
    assert parser().parse_args(["campaign", "compare", "a", "b", "--dir", "/data"]).names == ["a", "b"]
