# SPDX-License-Identifier: Apache-2.0
"""What an organisation's own cluster decides of its Kubernetes manifests: the values of its chart."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from commonwatt_client.yaml_models import named, parse_model
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from commonwatt_network.backends.containers import Container
from commonwatt_network.errors import UsageError

Quantity = Annotated[
    str, named(r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$", "a quantity of Kubernetes, such as 10Gi or 500m")
]
OBJECT = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
SecretName = Annotated[str, named(OBJECT, "the name of a Secret")]
ClassName = Annotated[str, named(OBJECT, "the name of a class of your cluster")]
SnapshotName = Annotated[str, named(OBJECT, "the name of a VolumeSnapshot, such as peer0-2027-01-31")]
HostAddress = Annotated[str, named(r"^[0-9a-f.:]{2,45}$", "an IPv4 or IPv6 address")]
INGRESS = "Ingress"


class _Model(BaseModel):
    """Fields are written as Kubernetes writes them: `priorityClassName`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class Storage(_Model):
    """Of each peer's and orderer's ledger. A volume keeps its class and size once it is made."""

    class_name: str | None = Field(default=None, description="null: the cluster's default class")
    size: Quantity = "10Gi"


class Resources(_Model):
    """As in a container: cpu and memory."""

    requests: dict[Literal["cpu", "memory"], Quantity]
    limits: dict[Literal["cpu", "memory"], Quantity]


class Outside(_Model):
    """How other organisations reach a peer or orderer: by a Service of its own, or by an Ingress that all share."""

    type: Literal["LoadBalancer", "NodePort", "ClusterIP", "Ingress"] = Field(
        default="LoadBalancer",
        description="Ingress: a controller tells nodes apart by the name in TLS (SNI), and lets TLS through",
    )
    ingress_class_name: ClassName | None = Field(
        default=None, description="null: the cluster's default class"
    )
    annotations: dict[str, str] = Field(default_factory=dict, description="of the Service, or of the Ingress")
    node_annotations: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="node -> what its own Service or Ingress says beside these"
    )
    addresses: dict[str, HostAddress] = Field(
        default_factory=dict, description="node -> the address that its load balancer shall have"
    )


class Monitoring(_Model):
    """What Prometheus' operator reads of the nodes' metrics. Other clusters do not know its kinds."""

    service_monitor: bool = Field(default=False, description="make a ServiceMonitor of peers and orderers")
    labels: dict[str, str] = Field(
        default_factory=dict, description="of the ServiceMonitor, by which a Prometheus chooses it"
    )
    interval: Annotated[str, named(r"^[1-9][0-9]{0,4}(s|m)$", "a time such as 30s")] = "30s"


class Snapshots(_Model):
    """Snapshots of the ledgers' volumes, which the cluster's storage takes of running nodes."""

    name: Annotated[str, named(r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$", "a name such as 2027-01-31")] = (
        Field(
            default="", description="a name that is new takes a snapshot of each ledger; empty: none is taken"
        )
    )
    class_name: ClassName | None = Field(default=None, description="null: the cluster's default class")
    restore: dict[str, SnapshotName] = Field(
        default_factory=dict, description="node -> the VolumeSnapshot that its new volume begins with"
    )


class SecretReference(_Model):
    """The name of a Secret of the namespace."""

    name: SecretName


class Values(_Model):
    """An organisation's values; every one has a default but the images, resources and Secrets of its own nodes."""

    images: dict[str, str] = Field(
        description="orderer, peer, chaincode: from your own registry, where you have one"
    )
    image_pull_secrets: list[SecretReference] = Field(default_factory=list)
    storage: Storage = Storage()
    resources: dict[str, Resources] = Field(description="of an orderer, a peer, a chaincode server")
    secrets: dict[str, SecretName] = Field(
        description="node -> the Secret of this namespace that holds its keys"
    )
    outside: Outside = Outside()
    monitoring: Monitoring = Monitoring()
    snapshots: Snapshots = Snapshots()
    update_strategy: Literal["RollingUpdate", "OnDelete"] = Field(
        default="RollingUpdate",
        description="of peers and orderers: OnDelete leaves a pod as it is until you delete it",
    )
    node_selector: dict[str, str] = Field(default_factory=dict)
    affinity: dict[str, Any] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)
    topology_spread_constraints: list[dict[str, Any]] = Field(default_factory=list)
    priority_class_name: str = ""
    pod_annotations: dict[str, str] = Field(default_factory=dict)

    def to_yaml(self) -> str:
        return str(yaml.safe_dump(self.model_dump(by_alias=True), sort_keys=False))


def default_values(everyone: Collection[Container]) -> dict[str, Any]:
    """What holds for an organisation's containers where its file of values says nothing."""
    found: dict[str, Any] = {"images": {}, "resources": {}, "secrets": {}}
    for entry in everyone:
        limits = entry.limits
        found["images"][entry.kind] = entry.image
        found["secrets"][entry.service] = entry.service
        found["resources"][entry.kind] = {
            "requests": {"cpu": f"{round(limits.cpus * 100)}m", "memory": f"{limits.memory_mb // 2}Mi"},
            "limits": {"cpu": f"{round(limits.cpus * 1000)}m", "memory": f"{limits.memory_mb}Mi"},
        }
    return found


def settle_values(everyone: Collection[Container], file: Path | None) -> Values:
    """The values in a YAML file over the defaults. Raises UsageError with file and line."""
    defaults = default_values(everyone)
    if file is None:
        return Values.model_validate(defaults)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"{file}: {reason}") from error
    given = parse_model(
        GivenValues, text, str(file), "values are a mapping: storage, images, ...", None, UsageError
    )
    said = given.model_dump(by_alias=True, exclude_unset=True)
    for section, own in defaults.items():
        unknown = sorted(said.get(section, {}).keys() - own.keys())
        if unknown:
            raise UsageError(f"{file}: {section}.{unknown[0]} is none of {', '.join(own)}")
    ledgers = [entry.service for entry in everyone if entry.kind != "chaincode"]
    for place, nodes in (
        ("snapshots.restore", given.snapshots.restore.keys()),
        ("outside.addresses", given.outside.addresses.keys()),
        ("outside.nodeAnnotations", given.outside.node_annotations.keys()),
    ):
        strangers = sorted(nodes - set(ledgers))
        if strangers:
            raise UsageError(f"{file}: {place}.{strangers[0]} is none of {', '.join(ledgers)}")
    return Values.model_validate(
        {
            **defaults,
            **said,
            **{section: {**own, **said.get(section, {})} for section, own in defaults.items()},
        }
    )


class GivenValues(Values):
    """What a file of values may say: everything, and nothing is needed."""

    images: dict[str, str] = Field(default_factory=dict)
    resources: dict[str, Resources] = Field(default_factory=dict)
    secrets: dict[str, SecretName] = Field(default_factory=dict)
