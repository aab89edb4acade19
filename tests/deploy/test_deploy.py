"""What operators deploy is valid: the image's recipe by hadolint, the manifests by Kubernetes' own schemas."""

import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()


def lint(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    hadolint = Path(sys.executable).with_name("hadolint")
    return subprocess.run([hadolint, "--failure-threshold=style", dockerfile], capture_output=True, text=True)


def pods():
    """Yield the name and the pod of every workload."""
    for manifest in MANIFESTS:
        spec = manifest.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield manifest["metadata"]["name"], spec["template"]["spec"]


def test_the_dockerfile_passes_its_linter_which_finds_a_fault(tmp_path):
    found = lint(DEPLOY / "Dockerfile")
    assert found.returncode == 0, found.stdout
    faulty = tmp_path / "Dockerfile"
    faulty.write_text((DEPLOY / "Dockerfile").read_text().replace("uv==0.13.9", "uv"))
    assert "DL3013" in lint(faulty).stdout


def test_the_image_is_built_from_the_lock_in_stages_and_runs_as_nobody_special():
    stages = re.split(r"^FROM ", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    assert len(stages) == 2 and all(stage.startswith("python:3.12-slim") for stage in stages)
    assert "--require-hashes --requirements requirements.lock" in stages[0]
    assert re.search(r"^USER \d{4,}$", stages[1], re.MULTILINE)
    pinned = re.search(r"uv==([\d.]+)", stages[0])
    assert pinned and f"uv=={pinned[1]}" in (DEPLOY.parent / "Makefile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", stages[0], re.MULTILINE)
    let_in = set(re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert {name for names in copied for name in names.split()} == let_in
    assert all((DEPLOY.parent / name).exists() for name in let_in)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda found: f"{found['kind']}-{found['metadata']['name']}")
def test_every_manifest_is_valid(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


def test_an_invalid_manifest_is_found():
    broken = MANIFESTS[0] | {"dta": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


@pytest.mark.parametrize(("name", "pod"), list(pods()), ids=[name for name, _ in pods()])
def test_every_pod_is_confined_and_writes_only_to_its_volumes(name, pod):
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] >= 1000
    assert pod["automountServiceAccountToken"] is False
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"} and container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert {"/var/lib/recoup", "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"secretRef": {"name": "recoup"}} in container["envFrom"] and "env" not in container


def test_every_service_reaches_pods_that_are_probed():
    found = {(one["kind"], one["metadata"]["name"]): one["spec"] for one in MANIFESTS if "spec" in one}
    for (kind, name), spec in found.items():
        if kind == "Service":
            template = found["Deployment", name]["template"]
            assert spec["selector"].items() <= template["metadata"]["labels"].items()
            (container,) = template["spec"]["containers"]
            assert {port["targetPort"] for port in spec["ports"]} <= {port["name"] for port in container["ports"]}
            probes = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
            assert probes == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    assert sum(kind == "Service" for kind, _ in found) == 2
