"""The manifests against Kubernetes' schemas, and what they promise."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
VERSIONS = ["1.31", "1.34", "1.37"]


def documents(text: str | Path) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(text))


def only(kind: str) -> dict[str, Any]:
    (found,) = (document for path in MANIFESTS for document in documents(path) if document["kind"] == kind)
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_valid(path: Path, version: str) -> None:
    for document in documents(path):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    deployment = only("Deployment")
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here to render the kustomization")
def test_what_is_applied_is_valid_and_names_the_image_by_digest() -> None:
    done = subprocess.run(["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True, timeout=60)
    rendered = documents(done.stdout)
    for document in rendered:
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    assert {"Deployment", "ConfigMap", "Service", "HorizontalPodAutoscaler", "NetworkPolicy"} <= {d["kind"] for d in rendered}
    (deployment,) = (document for document in rendered if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (digest,) = (image["digest"] for image in documents(FOLDER / "kustomization.yaml")[0]["images"])
    assert container["image"].endswith(f"@{digest}")
    configuration = next(document["metadata"]["name"] for document in rendered if document["kind"] == "ConfigMap")
    assert container["envFrom"] == [{"configMapRef": {"name": configuration}}]


def test_every_selector_means_the_service_and_no_other() -> None:
    labels = only("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert only("Service")["spec"]["selector"] == labels
    for kind, field in (("Deployment", "selector"), ("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert only(kind)["spec"][field] == {"matchLabels": labels}, kind
    assert only("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == only("Deployment")["metadata"]["name"]


def test_the_pod_may_do_no_more_than_it_must() -> None:
    pod = only("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"startupProbe", "readinessProbe", "livenessProbe", "resources"} <= set(container)


def test_a_new_pod_is_ready_before_an_old_one_goes() -> None:
    assert only("Deployment")["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    assert "replicas" not in only("Deployment")["spec"]  # or each apply would undo the autoscaler
    assert only("HorizontalPodAutoscaler")["spec"]["minReplicas"] > 1


def test_a_pod_writes_to_its_own_folder_and_reads_those_of_all() -> None:
    (container,) = only("Deployment")["spec"]["template"]["spec"]["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"] if mount["name"] == "feedback"}
    assert mounts.pop("/var/lib/quire")["subPathExpr"] == "$(POD_NAME)"
    assert [(path, mount.get("readOnly")) for path, mount in mounts.items()] == [("/var/lib/quire-all", True)]


def test_the_service_is_never_open_and_no_secret_is_committed() -> None:
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.yaml")}
    assert not any("PUBLIC_WITHOUT_AUTH" in text or "kind: Secret" in text for text in texts.values())
    assert "QUIRE_OIDC_ISSUER=https://" in texts["kustomization.yaml"]
