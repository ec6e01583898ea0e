"""What Prometheus would read of an application, parsed."""

from typing import NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families

SampleKey = tuple[str, frozenset[tuple[str, str]]]


class Scrape(NamedTuple):
    """One answer of `/metrics`.

    labels: names of the labels that the samples of each metric have.
    """

    text: str
    values: dict[SampleKey, float]
    labels: dict[str, set[str]]

    def value(self, name: str, **labels: str) -> float:
        """A sample; 0 where there is none, as the functions of Prometheus see it."""
        return self.values.get((name, frozenset(labels.items())), 0.0)

    def values_of(self, name: str, label: str) -> set[str]:
        """Every value that a label has in the samples of that name."""
        return {dict(labels)[label] for key, labels in self.values if key == name}


async def scrape(client: httpx.AsyncClient) -> Scrape:
    """Ask an application for its metrics."""
    response = await client.get("/metrics")
    assert response.status_code == 200
    return parse(response.text)


def parse(text: str) -> Scrape:
    """Read the text format; names end as they do in queries, but for `_bucket`, `_sum`, `_count`.

    When a metric was created is left out, and so are the bounds of buckets among its labels.
    """
    values, labels = {}, {}
    for family in text_string_to_metric_families(text):
        if family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels[name] = {label for s in family.samples for label in s.labels if label != "le"}
        for sample in family.samples:
            values[sample.name, frozenset(sample.labels.items())] = sample.value
    return Scrape(text, values, labels)
