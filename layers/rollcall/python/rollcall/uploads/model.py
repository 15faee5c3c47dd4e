"""An upload: a file that an admin announced, and what became of it. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from rollcall.runtime.errors import Fault
from rollcall.runtime.ids import is_ulid

Item = dict[str, Any]

MAX_BYTES = 200 * 1024 * 1024
LINK_SECONDS = 3600
_MAX_NAME_BYTES = 255
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069/\\${}]+")


class UploadKind(StrEnum):
    """What the file is."""

    INVITES = "invites"
    MEMBERS = "members"
    MAPPING = "mapping"
    PEOPLE = "people"


class UploadState(StrEnum):
    """How far it got: asked for, being read, turned into a plan; or not taken, or no use."""

    WAITING = "waiting"
    PLANNING = "planning"
    PLANNED = "planned"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that an admin announced.

    Attributes
    ----------
    filename
        As the admin calls it; any script, no path.
    key
        Where in the bucket it is to be put: ``uploads/<hub>/<kind>/<upload id>/<filename>``.
    created_by, email, permissions
        Subject, e-mail and permissions (in this hub) of the admin who asked for it.
    is_trial
        Its plan is there to be read and is never applied.
    source_id, as_of
        Of a people file: the source whose people these are, and of what time it is, empty for that of the upload.
    detail, faults
        Why it was of no use: a sentence, and every fault with its place.
    """

    upload_id: str
    hub_id: str
    kind: UploadKind
    filename: str = field(repr=False)
    key: str = field(repr=False)
    created_by: str = field(repr=False)
    email: str = field(repr=False)
    created_at: str
    permissions: tuple[str, ...] = ()
    state: UploadState = UploadState.WAITING
    plan_id: str = ""
    is_trial: bool = False
    source_id: str = ""
    as_of: str = ""
    detail: str = ""
    faults: tuple[Fault, ...] = ()

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an upload from its item."""
        known = {name: item[name] for name in cls.__slots__ if name in item}
        known["kind"] = UploadKind(item["kind"])
        known["state"] = UploadState(item["state"])
        known["permissions"] = tuple(item.get("permissions", ()))
        known["faults"] = faults_from_items(item.get("faults", []))
        return cls(**known)

    def to_item(self) -> Item:
        """Return the values of the item of this upload, without its keys."""
        values: Item = {name: getattr(self, name) for name in self.__slots__}
        return values | {
            "kind": str(self.kind),
            "state": str(self.state),
            "permissions": list(self.permissions),
            "faults": faults_to_items(self.faults),
        }


@dataclass(frozen=True, slots=True)
class UploadKey:
    """What the key of an uploaded file says; it is checked against the upload that was announced."""

    hub_id: str
    kind: str
    upload_id: str


def make_key(hub_id: str, kind: UploadKind, upload_id: str, filename: str) -> str:
    """Return where in the bucket the file is to be put."""
    return f"uploads/{hub_id}/{kind}/{upload_id}/{filename}"


def read_key(key: str) -> UploadKey | None:
    """Return what a key says, decoded already, or nothing if it has not the form of one."""
    match key.split("/", 4):
        case ["uploads", hub_id, kind, upload_id, _] if is_ulid(hub_id) and is_ulid(upload_id):
            return UploadKey(hub_id=hub_id, kind=kind, upload_id=upload_id)
    return None


def safe_filename(text: str) -> str:
    """Return a file name without path, controls and ``${...}``, which a presigned form would fill in.

    At most 255 bytes; ``file.csv`` if nothing is left.
    """
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())).strip(" ._")
    while len(name.encode()) > _MAX_NAME_BYTES:
        name = name[1:]
    return name or "file.csv"


def faults_to_items(faults: tuple[Fault, ...]) -> list[Item]:
    """Return faults as plain dicts."""
    return [{"place": fault.place, "code": fault.code, "detail": fault.detail} for fault in faults]


def faults_from_items(items: list[Item]) -> tuple[Fault, ...]:
    """Read faults from plain dicts."""
    return tuple(Fault(item["place"], item["code"], item["detail"]) for item in items)
