"""The examples of deploy/: what can be known of them where there is no cluster."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
STAND_INS = {
    "scontrol": "echo node1; echo node2; echo node3",
    "srun": 'while [[ "$1" == --* ]]; do case "$1" in --nodelist=*) echo "on ${1#*=}:" '
    '>> "$LOG";; esac; shift; done; exec "$@"',
    "hostname": "echo 10.0.0.1",
    "ray": 'echo "ray $*; address ${RAY_ADDRESS:-none}; token ${#RAY_AUTH_TOKEN}" >> "$LOG"',
    "sottovoce": 'echo "sottovoce $*; address $RAY_ADDRESS" >> "$LOG"',
}
RAY_JOB = {
    "spec": {"entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"}
    | {"backoffLimit", "rayClusterSpec"},
    "rayClusterSpec": {"rayVersion", "headGroupSpec", "workerGroupSpecs"},
    "headGroupSpec": {"rayStartParams", "template"},
    "workers": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams"}
    | {"template"},
}
"""The fields of ray.io/v1 that the example has, by KubeRay's reference of its API."""


def test_the_example_of_ray_up_is_what_ray_takes():
    ray = pytest.importorskip("ray")
    yaml, jsonschema = pytest.importorskip("yaml"), pytest.importorskip("jsonschema")
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    config = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())
    jsonschema.validate(config, json.loads(schema.read_text()))
    assert config["head_node_type"] in config["available_node_types"]


def test_the_example_for_kubernetes_has_fields_that_a_rayjob_has():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert set(spec) <= RAY_JOB["spec"]
    assert set(cluster) <= RAY_JOB["rayClusterSpec"]
    assert set(cluster["headGroupSpec"]) <= RAY_JOB["headGroupSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert set(workers) <= RAY_JOB["workers"]
    for group in (cluster["headGroupSpec"], workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert {"name", "image", "resources"} <= set(container)
    pins = (DEPLOY.parent / "constraints.txt").read_text().splitlines()
    assert f"ray=={cluster['rayVersion']}" in pins


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is needed")
def test_the_script_for_slurm_starts_one_head_and_the_other_nodes(tmp_path):
    for name, body in STAND_INS.items():
        file = tmp_path / name
        file.write_text(f"#!/bin/bash\n{body}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "log"
    environment = os.environ | {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "LOG": str(log),
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_CPUS_PER_TASK": "16",
    }
    script = str(DEPLOY / "slurm.sh")
    subprocess.run(["bash", "-n", script], check=True)
    done = subprocess.run(
        ["bash", script, "in", "out"], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    lines = log.read_text().splitlines()
    started = [line for line in lines if line.startswith("ray start")]
    assert len([line for line in started if "--head" in line]) == 1
    assert len([line for line in started if "--address=10.0.0.1:6379" in line]) == 2
    assert all("address none; token 64" in line for line in started)
    assert {line for line in lines if line.startswith("on ")} == {
        "on node1:",
        "on node2:",
        "on node3:",
    }
    assert "sottovoce archive in out; address 10.0.0.1:6379" in lines
