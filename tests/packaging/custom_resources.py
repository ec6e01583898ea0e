"""What the kinds that Kubernetes does not define itself look like, as far as they are used here.

From the definitions of Gateway API v1 and of Prometheus' operator v1. A field that is not told of
here is refused, so that a misspelt one is not passed over.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# Gateway API's durations (GEP-2257) and those of Prometheus.
GatewayDuration = Annotated[str, Field(pattern=r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")]
Duration = Annotated[str, Field(pattern=r"^([0-9]+(ms|s|m|h|d|w|y))+$")]
Hostname = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
Labels = dict[str, str]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Metadata(_Part):
    name: str
    namespace: str
    labels: Labels


class _ParentRef(_Part):
    name: str
    namespace: str


class _Path(_Part):
    type: Literal["Exact", "PathPrefix"]
    value: Annotated[str, Field(pattern=r"^/", max_length=1024)]


class _Match(_Part):
    path: _Path


class _Timeouts(_Part):
    request: GatewayDuration


class _BackendRef(_Part):
    name: str
    port: Port


class _RouteRule(_Part):
    matches: Annotated[list[_Match], Field(min_length=1, max_length=64)]
    timeouts: _Timeouts
    backendRefs: Annotated[list[_BackendRef], Field(min_length=1, max_length=16)]  # noqa: N815


class _RouteSpec(_Part):
    parentRefs: Annotated[list[_ParentRef], Field(min_length=1, max_length=32)]  # noqa: N815
    # None would answer for every host of the Gateway.
    hostnames: Annotated[list[Hostname], Field(min_length=1, max_length=16)]
    rules: Annotated[list[_RouteRule], Field(min_length=1, max_length=16)]


class HTTPRoute(_Part):
    """`gateway.networking.k8s.io/v1`."""

    apiVersion: Literal["gateway.networking.k8s.io/v1"]  # noqa: N815
    kind: Literal["HTTPRoute"]
    metadata: _Metadata
    spec: _RouteSpec


class _Selector(_Part):
    matchLabels: Annotated[Labels, Field(min_length=1)]  # noqa: N815


class _Endpoint(_Part):
    port: str
    path: Annotated[str, Field(pattern=r"^/")]
    interval: Duration
    scrapeTimeout: Duration  # noqa: N815


class _MonitorSpec(_Part):
    jobLabel: str  # noqa: N815
    selector: _Selector
    endpoints: Annotated[list[_Endpoint], Field(min_length=1)]


class ServiceMonitor(_Part):
    """`monitoring.coreos.com/v1`."""

    apiVersion: Literal["monitoring.coreos.com/v1"]  # noqa: N815
    kind: Literal["ServiceMonitor"]
    metadata: _Metadata
    spec: _MonitorSpec


class _Rule(_Part):
    alert: str
    expr: str
    for_: Annotated[Duration | None, Field(alias="for")] = None
    labels: Labels
    annotations: Labels


class _RuleGroup(_Part):
    name: Annotated[str, Field(min_length=1)]
    rules: Annotated[list[_Rule], Field(min_length=1)]


class _RulesSpec(_Part):
    groups: Annotated[list[_RuleGroup], Field(min_length=1)]


class PrometheusRule(_Part):
    """`monitoring.coreos.com/v1`."""

    apiVersion: Literal["monitoring.coreos.com/v1"]  # noqa: N815
    kind: Literal["PrometheusRule"]
    metadata: _Metadata
    spec: _RulesSpec


CUSTOM_RESOURCES: dict[str, type[HTTPRoute | ServiceMonitor | PrometheusRule]] = {
    "HTTPRoute": HTTPRoute,
    "PrometheusRule": PrometheusRule,
    "ServiceMonitor": ServiceMonitor,
}
