"""What runs Limber elsewhere says the same as Limber: versions, resources, variables, commands."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.host.command import command_files
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import Profile, read_cluster
from pipelines.recipe.storage import S3Settings
from tests.worlds.here import ROOT

CLUSTERS = ("raycluster", "rayjob")
MANIFESTS = [f"{name}{cpu}" for name in CLUSTERS for cpu in ("", "-cpu")]
COMPOSE = ROOT / "mlflow/compose.yaml"
DOCKERFILE = ROOT / "deploy/Dockerfile"
KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
FIELDS = {  # of KubeRay's ray.io/v1 that are used here; the API server refuses any other
    "RayCluster": {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"},
    "RayJob": {
        "entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished",
        "runtimeEnvYAML", "rayClusterSpec",
    },
    "head": {"rayStartParams", "template"},
    "workers": {
        "groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template",
    },
}  # fmt: skip
GIB = {"Gi": 1.0, "Mi": 1 / 1024}


def manifest(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / f"deploy/{name}.yaml").read_text())
    return content


def cluster_of(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = manifest(name)["spec"]
    return spec.get("rayClusterSpec", spec)


def groups(name: str) -> list[dict[str, Any]]:
    """The head's group and the workers'."""
    spec = cluster_of(name)
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def containers(name: str) -> list[dict[str, Any]]:
    return [each for g in groups(name) for each in g["template"]["spec"]["containers"]]


def locked(package: str) -> str:
    found = re.search(rf"^{package}==(.+)$", (ROOT / "requirements.lock").read_text(), re.M)
    assert found
    return found[1]


def gib(quantity: str) -> float:
    return float(quantity[:-2]) * GIB[quantity[-2:]]


def profile_of(name: str) -> Profile:
    return read_cluster(load_params(), gpus=0 if name.endswith("-cpu") else 2).machine


def known_variables() -> set[str]:
    """Names of variables that somebody reads: our code, the S3 clients, MLflow, Ray, NCCL."""
    import mlflow.cli  # here: it loads much
    import mlflow.environment_variables

    files = [*(ROOT / "pipelines").rglob("*.py")]
    ours = set(re.findall(r"LIMBER_[A-Z_]+", " ".join(path.read_text() for path in files)))
    s3 = set(S3Settings("http://a:1", "b").variables()) | KEYS
    stops = {"RAY_JOB_STOP_SIGNAL", "RAY_JOB_STOP_WAIT_TIME_S"}
    tracker = {name for name in dir(mlflow.environment_variables) if "MLFLOW_" in name}
    tracker |= {str(each.envvar) for each in mlflow.cli.server.params}
    return ours | s3 | stops | tracker


@pytest.mark.parametrize("name", MANIFESTS)
def test_fields_are_those_of_kuberay(name: str) -> None:
    content = manifest(name)
    assert content["apiVersion"] == "ray.io/v1"
    assert set(content) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(content["spec"]) <= FIELDS[content["kind"]]
    head, *workers = groups(name)
    assert set(cluster_of(name)) <= FIELDS["RayCluster"]
    assert set(head) <= FIELDS["head"]
    assert all(set(each) <= FIELDS["workers"] for each in workers)
    for each in (head, *workers):
        assert all(isinstance(value, str) for value in each["rayStartParams"].values())


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "deploy").glob("*.yaml")), COMPOSE], ids=lambda p: p.name
)
def test_every_image_is_pinned_and_kubectl_reads_it(path: Path) -> None:
    text = path.read_text()
    images = re.findall(r"^ *image: (\S+)", text, re.M)
    assert images
    assert all(re.search(r":[\w.-]*\d", image) for image in images), images
    assert "latest" not in text
    if path != COMPOSE:
        events = list(yaml.parse(text))
        assert not [e for e in events if getattr(e, "anchor", None)], "kubectl has no anchors"


@pytest.mark.parametrize("name", MANIFESTS)
def test_versions_are_those_of_the_lock_and_of_the_project(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cluster_of(name)["rayVersion"] == locked("ray")
    kind = "-cpu" if name.endswith("-cpu") else ""
    assert {each["image"] for each in containers(name)} == {f"limber:{project['version']}{kind}"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_nodes_have_what_the_profile_asks_for(name: str) -> None:
    machine = profile_of(name)
    head, workers = groups(name)
    assert head["rayStartParams"]["num-cpus"] == "0"
    params = workers["rayStartParams"]
    cpus, nodes = int(params["num-cpus"]), workers["replicas"]
    gpus = int(params.get("num-gpus", 0))
    assert nodes * cpus == machine.workers * machine.cpus_per_worker
    assert cpus >= machine.cpus_per_worker, "a worker's CPUs are of one node"
    assert nodes * gpus == machine.workers * machine.gpu
    asked = workers["template"]["spec"]["containers"][0]["resources"]
    assert asked["requests"]["cpu"] == cpus
    for kind in ("requests", "limits"):
        assert asked[kind].get("nvidia.com/gpu", 0) == gpus


@pytest.mark.parametrize("name", MANIFESTS)
def test_volumes_hold_what_comes_into_them(name: str) -> None:
    cache_gib = read_cluster(load_params(), gpus=0).cache_gib
    for group in groups(name):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {each["name"]: each for each in pod["volumes"]}
        mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        assert set(mounted.values()) == set(volumes)
        shared = volumes[mounted["/dev/shm"]]["emptyDir"]
        assert shared["medium"] == "Memory"
        memory = {gib(container["resources"][kind]["memory"]) for kind in ("requests", "limits")}
        assert gib(shared["sizeLimit"]) < min(memory), "it counts as the pod's memory"
        if name.startswith("raycluster"):
            told = {each["name"]: each["value"] for each in container["env"]}
            kept = volumes[mounted[told["LIMBER_CACHE"]]]["emptyDir"]
            if "groupName" in group:
                assert gib(kept["sizeLimit"]) > cache_gib


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_node_that_goes_says_so_in_time(name: str) -> None:
    from ray.scripts.scripts import cli

    pod = groups(name)[1]["template"]["spec"]
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    told, waits = (part.split() for part in command[-1].split(";"))
    drain = cli.commands["drain-node"]
    assert told[:2] == ["ray", "drain-node"]
    options = [word for word in told if word.startswith("--")]
    assert set(options) <= {name for each in drain.params for name in each.opts}
    reasons = next(each for each in drain.params if each.name == "reason").type.choices
    assert told[told.index("--reason") + 1] in reasons
    assert waits[0] == "sleep"
    deadline = int(told[told.index("--deadline-remaining-seconds") + 1])
    assert int(waits[1]) <= deadline < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_nobody_is_root_and_no_secret_stands_there(name: str) -> None:
    for each in containers(name):
        security = each["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not KEYS & {one["name"] for one in each.get("env", [])}
    assert cluster_of(name)["authOptions"] == {"mode": "token"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_variables_are_read_by_somebody(name: str) -> None:
    known = known_variables()
    for each in containers(name):
        assert {one["name"] for one in each.get("env", [])} <= known
    runtime = yaml.safe_load(manifest(name)["spec"].get("runtimeEnvYAML", "{}"))
    assert set(runtime.get("env_vars", {})) <= known


@pytest.mark.parametrize("name", ["rayjob", "rayjob-cpu"])
def test_the_job_is_a_command_on_a_recipe_that_are_there(name: str) -> None:
    spec = manifest(name)["spec"]
    python, option, module, recipe = spec["entrypoint"].split()
    assert (python, option) == ("python", "-m")
    assert module.removeprefix("pipelines.") in command_files()
    assert (ROOT / f"recipes/{recipe}.yaml").is_file()
    folder = yaml.safe_load(spec["runtimeEnvYAML"])["working_dir"].removeprefix("local://")
    for each in containers(name):
        assert folder in {one["mountPath"] for one in each["volumeMounts"]}, "all nodes see it"


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_two_profiles_differ_in_what_nodes_have_alone(name: str) -> None:
    assert alike(cluster_of(name)) == alike(cluster_of(f"{name}-cpu"))


def alike(cluster: dict[str, Any]) -> dict[str, Any]:
    """A cluster without what its nodes have."""
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        for each in pod["containers"]:
            del each["image"]
        if "groupName" in group:
            for key in ("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams"):
                del group[key]
            del pod["containers"][0]["resources"]
            (shared,) = [v for v in pod["volumes"] if v["name"] == "shared-memory"]
            del shared["emptyDir"]["sizeLimit"]
    return cluster


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        yield word, rest


def test_the_image_is_built_of_the_lock_alone_and_runs_as_nobody() -> None:
    lines = list(instructions())
    bases = [rest for word, rest in lines if word == "FROM"]
    assert bases == ["${BASE} AS packages", "${BASE}"]
    base = dict(rest.split("=") for word, rest in lines if word == "ARG")["BASE"]
    python = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-bookworm", base)
    assert python, "named by its whole version"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"].startswith(f">={python[1]}.{python[2]},")
    copied = [rest for word, rest in lines if word in ("COPY", "ADD")]
    assert copied[0].startswith("requirements.lock ")
    assert all(each.startswith("--from=packages ") for each in copied[1:])
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines()
    assert [line for line in ignored if line[0] != "#"] == ["*", "!requirements.lock"]
    user = [rest for word, rest in lines if word == "USER"][-1]
    assert user.isdigit()
    assert user == str(containers("raycluster")[0]["securityContext"]["runAsUser"])
    variables = re.findall(r"([A-Z_]+)=", " ".join(rest for word, rest in lines if word == "ENV"))
    assert {name for name in variables if name.startswith("LIMBER_")} <= known_variables()


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return content["services"]


def test_the_server_is_of_the_lock_and_its_variables_are_read() -> None:
    services = compose()
    images = {services[name]["image"] for name in ("server", "buckets")}
    assert images == {f"ghcr.io/mlflow/mlflow:v{locked('mlflow')}-full"}
    server = services["server"]["environment"]
    assert set(server) <= known_variables()
    assert server["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://mlflow"
    assert "mlflow" in services["buckets"]["environment"]["BUCKETS"].split()
    waits = {name: how["condition"] for name, how in services["server"]["depends_on"].items()}
    assert waits == {
        "database": "service_healthy",
        "buckets": "service_completed_successfully",
    }
    assert all("healthcheck" in services[name] for name in ("database", "store", "server"))


def test_who_has_not_logged_in_reads_nothing_and_hosts_are_named() -> None:
    """Held against MLflow's own reading of the file and of its variables."""
    server = compose()["server"]
    assert server["command"].endswith("--app-name basic-auth")
    (given,) = server["configs"]
    assert given["target"] == server["environment"]["MLFLOW_AUTH_CONFIG_PATH"]
    content = yaml.safe_load(COMPOSE.read_text())["configs"][given["source"]]["content"]
    told = configparser.ConfigParser()
    told.read_string(content)
    assert told["mlflow"]["default_permission"] == "NO_PERMISSIONS"
    assert told["mlflow"]["database_uri"] == server["environment"]["MLFLOW_BACKEND_STORE_URI"]
    assert server["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].endswith("localhost:*,127.0.0.1:*}")


def test_nothing_is_open_and_no_password_is_anybodys_guess() -> None:
    """Ports are this machine's; what is secret has no default, and the example names it empty."""
    ports = [port for each in compose().values() for port in each.get("ports", [])]
    assert ports
    assert all(re.match(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+$", port) for port in ports)
    text = COMPOSE.read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    named = set(re.findall(r"\$\{(\w+)", text))
    example = (ROOT / "mlflow/.env.example").read_text()
    assert set(re.findall(r"^(\w+)=$", example, re.M)) == needed
    assert set(re.findall(r"^(?:# )?(\w+)=", example, re.M)) == named
    logins = {"MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY"}
    assert (
        logins | {"MLFLOW_DB_PASSWORD", "STORE_ACCESS_KEY_ID", "STORE_SECRET_ACCESS_KEY"} == needed
    )
    assert ".env" in (ROOT / ".gitignore").read_text().split()
