"""The manifests for Argo Workflows: read by YAML and by Argo's own types (hera's, made from its OpenAPI file), and
consistent: every template, dependency, parameter, volume, mutex that is named is there. There is no cluster here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from exported import NIGHTLY, TOML, exported, project
from hera.workflows.models import CronWorkflow, WorkflowTemplate
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.core.errors import UsageError
from nbops.exchange import argo
from nbops.exchange.orchestrated import Taken
from nbops.notebook.kinds import ANY, Kind

CLUSTER = argo.Cluster(image="registry.example.org/train:1", claim="work", secret="train.keys")
MODELS = {"WorkflowTemplate": WorkflowTemplate, "CronWorkflow": CronWorkflow}
DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def manifests(
    root: Path, toml: str = TOML, cluster: argo.Cluster = CLUSTER, **how: Any
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """{kind: manifest} as YAML reads them, each taken by Argo's type without anything left over; and the notes."""
    _, pipeline = exported(root, toml)
    found, notes = argo.documents(pipeline, cluster, **how)
    read = {one["kind"]: one for one in yaml.safe_load_all(argo.manifest(found, pipeline, notes))}
    assert list(read.values()) == found
    for kind, model in MODELS.items():
        if kind in read:
            taken = model.model_validate(read[kind])
            assert taken.model_dump(mode="json", by_alias=True, exclude_none=True) == read[kind]
    consistent(read)
    return read, notes


def consistent(read: dict[str, dict[str, Any]]) -> None:
    spec = read["WorkflowTemplate"]["spec"]
    templates = {t["name"]: t for t in spec["templates"]}
    assert len(templates) == len(spec["templates"])
    assert all(re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9_]{0,127}", name) for name in templates)
    assert {spec["entrypoint"], spec.get("onExit", spec["entrypoint"])} <= templates.keys()
    seen: set[str] = set()
    for task in templates[spec["entrypoint"]]["dag"]["tasks"]:
        assert task["template"] in templates
        assert set(task.get("dependencies", ())) <= seen, "each after those it depends on: no circle"
        seen.add(task["name"])
    said = {p["name"] for p in spec.get("arguments", {}).get("parameters", ())}
    volumes = {v["name"] for v in spec.get("volumes", ())}
    keys = read.get("ConfigMap", {}).get("data", {})
    for template in templates.values():
        if "container" not in template:
            continue
        used = set(re.findall(r"\{\{workflow\.parameters\.(\w+)\}\}", " ".join(template["container"]["args"])))
        assert used == said
        assert {m["name"] for m in template["container"].get("volumeMounts", ())} == volumes
        for ref in template.get("synchronization", {}).get("semaphores", ()):
            assert ref["configMapKeyRef"]["name"] == read["ConfigMap"]["metadata"]["name"]
            assert ref["configMapKeyRef"]["key"] in keys
    for one in read.values():
        assert DNS.fullmatch(one["metadata"]["name"]) and len(one["metadata"]["name"]) <= 52
    if "CronWorkflow" in read:
        ref = read["CronWorkflow"]["spec"]["workflowSpec"]["workflowTemplateRef"]["name"]
        assert ref == read["WorkflowTemplate"]["metadata"]["name"]


def test_each_step_is_a_container_that_runs_it_in_the_workflow_s_run(tmp_path: Path) -> None:
    read, notes = manifests(tmp_path)
    assert list(read) == ["ConfigMap", "WorkflowTemplate"]
    spec = read["WorkflowTemplate"]["spec"]
    assert (spec["onExit"], spec["parallelism"]) == ("tell", 2)
    dag, prepare, holiday, train, _ = spec["templates"]
    assert dag["dag"] == {
        "failFast": False,
        "tasks": [
            {"name": "prepare", "template": "prepare"},
            {"name": "the-holiday-s", "template": "the-holiday-s", "dependencies": ["prepare"]},
            {"name": "train", "template": "train", "dependencies": ["the-holiday-s", "prepare"]},
        ],
    }
    backoff = {"duration": "1s", "factor": "2"}
    assert prepare["retryStrategy"] == {"limit": "1", "retryPolicy": "Always", "backoff": backoff}
    assert prepare["activeDeadlineSeconds"] == "720"
    words = holiday["container"]["args"]
    assert words[:7] == ["pipeline", "run", "train", "--only", "the holiday's", "--run", "{{workflow.uid}}"]
    assert words[7:9] == ["-p", "months={{workflow.parameters.months}}"]
    assert (holiday["container"]["image"], holiday["container"]["workingDir"]) == (CLUSTER.image, "/project")
    assert read["ConfigMap"]["data"] == {"db": "3"}
    assert train["synchronization"] == {"mutexes": [{"name": "train-gpu"}]}
    parameters = {p["name"]: p for p in spec["arguments"]["parameters"]}
    assert parameters["months"] == {"name": "months", "value": "6", "description": 'how many "months"'}
    assert parameters["mode"] == {"name": "mode", "value": "a", "enum": ["a", "b"]}
    assert parameters["parts"]["value"] == "[1, 2]"
    assert set(parameters) == {"months", "mode", "nothing", "parts", "note"}
    assert "left to the notebooks and nbops.toml: the parameters day, lr, big, password" in notes


def test_secrets_are_named_and_only_given_to_the_steps_that_take_them(tmp_path: Path) -> None:
    read, notes = manifests(tmp_path, TOML + NIGHTLY)
    text = yaml.safe_dump_all(read.values())
    assert "hunter2" not in text + "".join(notes)
    for template in read["WorkflowTemplate"]["spec"]["templates"][1:]:
        refs = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in template["container"]["env"]}
        assert {ref["name"] for ref in refs.values()} == {"train.keys"}
        assert refs["PGPASSWORD"] == {"name": "train.keys", "key": "PGPASSWORD", "optional": True}
        assert ("API_TOKEN" in refs) == (template["name"] == "prepare")
    assert "the Secret 'train.keys' must hold API_TOKEN" in "".join(notes)


def test_a_schedule_is_a_cron_workflow(tmp_path: Path) -> None:
    read, _ = manifests(tmp_path, TOML + NIGHTLY)
    assert read["CronWorkflow"]["spec"] == {
        "schedules": ["0 6 * * 1-5"],
        "timezone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": argo.MISSED_S,
        "workflowSpec": {"workflowTemplateRef": {"name": "train"}},
    }
    spec = read["WorkflowTemplate"]["spec"]
    assert spec["activeDeadlineSeconds"] == 7200
    assert {"name": "months", "value": "12", "description": 'how many "months"'} in spec["arguments"]["parameters"]
    assert {"name": "note", "value": "it's"} in spec["arguments"]["parameters"]
    for more, line, policy in (
        ('every = "15m"\noverlap = "queue"', "*/15 * * * *", "Allow"),
        ('every = "6h"\noverlap = "cancel-old"', "0 */6 * * *", "Replace"),
        ('every = "1d"', "0 0 * * *", "Forbid"),
        ('cron = "@weekly"', "0 0 * * 0", "Forbid"),
        ('cron = "0 6 * JUL 1,7"', "0 6 * JUL 1,0", "Forbid"),
    ):
        read, _ = manifests(tmp_path, f'{TOML}[schedules.s]\npipeline = "train"\n{more}\n')
        cron = read["CronWorkflow"]["spec"]
        assert (cron["schedules"], cron["concurrencyPolicy"]) == ([line], policy)
        assert ("synchronization" in read["WorkflowTemplate"]["spec"]) == (policy == "Allow")
    for more in ('every = "7m"', 'every = "30s"', 'every = "2d"', 'cron = "0 6 * * 5-7"', 'cron = "0 6 L * *"'):
        with pytest.raises(UsageError, match="schedule 's'"):
            manifests(tmp_path, f'{TOML}[schedules.s]\npipeline = "train"\n{more}\n')


def test_names_are_those_kubernetes_takes_or_refused(tmp_path: Path) -> None:
    steps = "".join(
        f'[pipelines.train.steps."{name}"]\nnotebook = "train.ipynb"\n' for name in ("pipeline", "a b", "a/b")
    )
    read, _ = manifests(tmp_path, steps, name="other")
    spec = read["WorkflowTemplate"]["spec"]
    assert [t["name"] for t in spec["templates"]] == ["pipeline", "pipeline-2", "a-b", "a-b-2"]
    assert read["WorkflowTemplate"]["metadata"]["name"] == "other"
    assert argo._called("My_Pipeline (new)", None) == "my-pipeline-new"
    with pytest.raises(UsageError, match=r"'日本' is no name for Kubernetes.*--name"):
        argo._called("日本", None)
    for name in ("Train", "-a", "a" * 53, "a_b"):
        with pytest.raises(UsageError, match="is no name for Kubernetes"):
            manifests(tmp_path, name=name)
    for cluster, said in (
        (argo.Cluster(image=" "), "' ' is no image"),
        (argo.Cluster(image="i", secret="My_Keys"), "'My_Keys' is no name of a secret"),
        (argo.Cluster(image="i", claim="a b"), "'a b' is no name of a claim"),
        (argo.Cluster(image="i{{x}}"), "Argo would read it as a template"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            manifests(tmp_path, cluster=cluster)
    with pytest.raises(UsageError, match="Argo would read it as a template"):
        manifests(tmp_path, steps.replace("a b", "{{x}}"))


def test_the_command_writes_them(tmp_path: Path) -> None:
    project(tmp_path, TOML + NIGHTLY)
    command = [sys.executable, "-c", "from nbops.cli.main import main; main()", "export", "argo", "train"]

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "Missing option '--image'" in call().stderr
    done = call("--image", "train:1", "--claim", "work", "--secret", "keys", "--name", "night", "--out", "train.yaml")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    kinds = {one["kind"]: one["metadata"]["name"] for one in yaml.safe_load_all((tmp_path / "train.yaml").read_text())}
    assert kinds == {"ConfigMap": "night", "WorkflowTemplate": "night", "CronWorkflow": "night"}


@given(value=st.text(), kind=st.sampled_from([ANY, Kind(base="str", text="str")]))
@settings(max_examples=200)
def test_a_value_comes_back_from_the_manifest_as_it_was_or_is_not_in_it(value: str, kind: Kind) -> None:
    taken = Taken(name="p", kind=kind, default=value, known=True)
    if argo._sayable(taken):
        assert "{{" not in value
        (read,) = yaml.safe_load(yaml.safe_dump([argo._parameter(taken)], width=120))
        assert read == {"name": "p", "value": value}
    elif kind.base == "str":
        assert "{{" in value
