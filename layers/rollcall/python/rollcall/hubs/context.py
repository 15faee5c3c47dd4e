"""What nearly every use case needs to know of a hub: settings, catalogue, published mapping table, key.

One query reads settings and the versions of the other two; these are kept per hub and version in a warm function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollcall.hubs import store
from rollcall.hubs.model import Hub
from rollcall.mapping import store as mapping_store
from rollcall.runtime import dynamo
from rollcall.runtime.errors import NotFoundError
from rollcall.segments import store as segments_store

if TYPE_CHECKING:
    from rollcall.mapping.table import MappingTable
    from rollcall.privacy.hashing import HubKey
    from rollcall.segments.model import Catalogue


@dataclass(frozen=True, slots=True)
class HubContext:
    """A hub as of one moment.

    Attributes
    ----------
    catalogue_version, table.version
        What derived values are computed from; compare with a later ``versions`` to see whether they moved.
    """

    hub: Hub
    catalogue: Catalogue
    catalogue_version: int
    table: MappingTable
    key: HubKey

    @property
    def versions(self) -> tuple[int, int]:
        """Versions of the mapping table and the catalogue."""
        return self.table.version, self.catalogue_version


def load(hub_id: str) -> HubContext:
    """Read a hub's context, strongly consistent.

    Raises
    ------
    NotFoundError
        If there is no such hub.
    """
    items = _items(hub_id)
    if "HUB" not in items:
        raise NotFoundError
    hub = Hub.from_item(items["HUB"])
    catalogue_version = items.get("CATALOGUE", {}).get("version", 0)
    mapping = items.get("MAPPING", {})
    return HubContext(
        hub=hub,
        catalogue=segments_store.catalogue_at(hub_id, catalogue_version),
        catalogue_version=catalogue_version,
        table=mapping_store.table_at(hub_id, mapping.get("version", 0), mapping.get("plan_id", "")),
        key=store.hub_key(hub_id, hub.salt),
    )


def current_versions(hub_id: str) -> tuple[int, int]:
    """Return the versions of the mapping table and the catalogue that are published now."""
    versions = {sk: item.get("version", 0) for sk, item in _items(hub_id, "#sk, #version").items()}
    return versions.get("MAPPING", 0), versions.get("CATALOGUE", 0)


def _items(hub_id: str, fields: str = "") -> dict[str, dict[str, Any]]:
    """Read what lies from CATALOGUE to MAPPING, with the hub between them; together it costs less than apart."""
    found = dynamo.query_all(
        store.TABLE,
        hub_id,
        condition="#sk BETWEEN :first AND :last",
        values={"first": "CATALOGUE", "last": "MAPPING"},
        consistent=True,
        fields=fields,
    )
    return {item["sk"]: item for item in found}
