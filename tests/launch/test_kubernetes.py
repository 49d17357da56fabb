"""launch/kubernetes.yaml against Kubernetes' own schemas, and what a pod's end leads to.

`kubernetes-validate` carries the schemas of Kubernetes itself, so the volume claim and the Job
inside each JobSet are checked against those. No package carries JobSet's: its fields are checked
against `JOBSET`, written by hand after jobset.x-k8s.io/v1alpha2 of JobSet 0.10, and no controller
has run them here.
"""

import math
import re

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.binaries import ROOT

DOCUMENTS = list(yaml.safe_load_all((ROOT / "launch" / "kubernetes.yaml").read_text()))
STORAGE, GPU, TPU = DOCUMENTS
VARIANTS = {"gpu": GPU, "tpu": TPU}


def an_object(properties, required=()):
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT, TRUTH, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
TEXTS = {"type": "array", "items": TEXT, "uniqueItems": True}
RULE = an_object(
    {
        "name": {"type": "string", "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
        "action": {"enum": ["FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts"]},
        "onJobFailureReasons": TEXTS,
        "onJobFailureMessagePatterns": TEXTS,
        "targetReplicatedJobs": TEXTS,
    },
    required=["name", "action"],
)
JOBSET = an_object(
    {
        "apiVersion": {"const": "jobset.x-k8s.io/v1alpha2"},
        "kind": {"const": "JobSet"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": an_object(
            {
                "network": an_object(
                    {
                        "enableDNSHostnames": TRUTH,
                        "subdomain": TEXT,
                        "publishNotReadyAddresses": TRUTH,
                    }
                ),
                "failurePolicy": an_object(
                    {
                        "maxRestarts": COUNT,
                        "restartStrategy": {"enum": ["Recreate", "BlockingRecreate"]},
                        "rules": {"type": "array", "items": RULE},
                    }
                ),
                "replicatedJobs": {
                    "type": "array",
                    "items": an_object(
                        {"name": TEXT, "replicas": COUNT, "template": {"type": "object"}},
                        required=["name", "template"],
                    ),
                },
            },
            required=["replicatedJobs"],
        ),
    },
    required=["apiVersion", "kind", "metadata", "spec"],
)


def job_of(jobset):
    [replicated] = jobset["spec"]["replicatedJobs"]
    assert replicated["replicas"] == 1
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{jobset['metadata']['name']}-{replicated['name']}-0"},
        **replicated["template"],
    }


def container_of(job):
    [container] = job["spec"]["template"]["spec"]["containers"]
    return container


def flags_of(job):
    command = container_of(job)["command"]
    assert command[:3] == ["python", "-m", "jcl.train"]
    return dict(flag.removeprefix("--").split("=", 1) for flag in command[3:])


def test_one_document_a_label():
    labels = [document["metadata"]["labels"]["jcl"] for document in DOCUMENTS]
    assert labels == ["storage", "gpu", "tpu"]
    for label in labels:
        assert f"jcl={label}" in (ROOT / "launch" / "kubernetes.yaml").read_text().split("---")[0]


def test_storage_passes_kubernetes_schema():
    kubernetes_validate.validate(STORAGE, "1.37", strict=True)


@pytest.mark.parametrize("jobset", VARIANTS.values(), ids=VARIANTS)
def test_job_passes_kubernetes_schema(jobset):
    kubernetes_validate.validate(job_of(jobset), "1.37", strict=True)


@pytest.mark.parametrize("jobset", VARIANTS.values(), ids=VARIANTS)
def test_jobset_has_known_fields_only(jobset):
    jsonschema.validate(jobset, JOBSET)


@pytest.mark.parametrize("jobset", VARIANTS.values(), ids=VARIANTS)
def test_every_process_has_a_pod_a_name_and_the_volume(jobset):
    job, name = job_of(jobset), jobset["metadata"]["name"]
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] > 1
    assert jobset["spec"]["network"] == {"enableDNSHostnames": True, "subdomain": name}
    pod, claim = spec["template"]["spec"], STORAGE["metadata"]["name"]
    assert {"name": "runs", "persistentVolumeClaim": {"claimName": claim}} in pod["volumes"]
    assert STORAGE["spec"]["accessModes"] == ["ReadWriteMany"]
    [path] = [
        mount["mountPath"] for mount in container_of(job)["volumeMounts"] if mount["name"] == "runs"
    ]
    assert flags_of(job)["workdir"].startswith(f"{path}/")


def test_gpu_processes_find_the_first_pod():
    job, flags = job_of(GPU), flags_of(job_of(GPU))
    host, port = flags["coordinator"].split(":")
    # A pod's host name is the Job's and its index, in the JobSet's subdomain.
    assert host == f"{job['metadata']['name']}-0.{GPU['spec']['network']['subdomain']}"
    assert {"containerPort": int(port)} in container_of(job)["ports"]
    assert int(flags["processes"]) == job["spec"]["completions"]
    assert flags["process"] == "$(JOB_COMPLETION_INDEX)"


def test_tpu_pods_are_the_hosts_of_the_slice():
    spec = job_of(TPU)["spec"]
    selector = spec["template"]["spec"]["nodeSelector"]
    chips = math.prod(map(int, selector["cloud.google.com/gke-tpu-topology"].split("x")))
    a_host = container_of(job_of(TPU))["resources"]["limits"]["google.com/tpu"]
    assert chips == spec["completions"] * a_host
    assert not {"coordinator", "processes", "process"} & flags_of(job_of(TPU)).keys()


def ending(jobset, *, status, evicted=False):
    """What the controllers make of the first pod's end: theirs in Python, messages as they write.

    Of Kubernetes: pkg/controller/job/pod_failure_policy.go; of JobSet: the KEP of failure policies.
    """
    spec = job_of(jobset)["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # or there are no pod failure rules
    reason, message = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    for index, rule in enumerate(spec["podFailurePolicy"]["rules"]):
        assert rule["action"] == "FailJob"
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions", [])
        end = None
        if codes and codes["operator"] == "In" and status in codes["values"]:
            assert codes["containerName"] == container_of(job_of(jobset))["name"]
            end = f"Container train for pod default/a failed with exit code {status}"
        elif evicted and {"type": "DisruptionTarget", "status": "True"} in conditions:
            end = "Pod default/a has condition DisruptionTarget"
        if end is not None:
            reason, message = "PodFailurePolicy", f"{end} matching FailJob rule at index {index}"
            break
    for rule in jobset["spec"]["failurePolicy"]["rules"]:
        patterns = rule.get("onJobFailureMessagePatterns", [""])
        if reason in rule["onJobFailureReasons"] and any(re.search(p, message) for p in patterns):
            return rule["action"]
    return "RestartJobSet"


@pytest.mark.parametrize("jobset", VARIANTS.values(), ids=VARIANTS)
def test_what_a_pods_end_leads_to(jobset):
    assert ending(jobset, status=75) == "RestartJobSetAndIgnoreMaxRestarts"
    assert ending(jobset, status=75, evicted=True) == "RestartJobSetAndIgnoreMaxRestarts"
    assert ending(jobset, status=137, evicted=True) == "RestartJobSetAndIgnoreMaxRestarts"
    assert ending(jobset, status=2) == "FailJobSet"
    assert ending(jobset, status=1) == ending(jobset, status=137) == "RestartJobSet"
    policy = jobset["spec"]["failurePolicy"]
    assert policy["maxRestarts"] > 0
    assert policy["restartStrategy"] == "BlockingRecreate"
    assert job_of(jobset)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 60


@pytest.mark.parametrize("jobset", VARIANTS.values(), ids=VARIANTS)
def test_train_has_these_flags(jobset):
    source = (ROOT / "jcl" / "train.py").read_text()
    known = set(re.findall(r'(?i:define)_\w+\(\s*"(\w+)"', source))
    flags = flags_of(job_of(jobset))
    assert flags.keys() - {"config.data.dir"} <= known
    assert (ROOT / flags["config"]).is_file()
