"""The story of Harbour Federation: five acts, each followed by what the hub admin sees, read back through the API."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.hub_client import HubApi, StandardSource, WorkosSource, invitation_link, read_mail, wait_for
from demo.people import MAPPING_CSV, Employee, employees
from demo.screen import act, counted, say, step, table, words

if TYPE_CHECKING:
    from email.message import EmailMessage

Json = Any
OK = frozenset({200, 202})
# Four of the 36 do not press the button.
HESITANT = frozenset({"renee.cote", "samuel.adeyemi", "sofia.rossi", "zoe.vandenberg"})


@dataclass
class Check:
    """One line of the summary."""

    what: str
    expected: object
    seen: object

    @property
    def holds(self) -> bool:
        """What was read back is what should be there."""
        return self.expected == self.seen


@dataclass
class Story:
    """Tells the acts in order and keeps the score.

    Attributes
    ----------
    folder
        Where the files are left to look at.
    """

    api: HubApi
    stack: dict[str, Any]
    folder: Path
    checks: list[Check] = field(default_factory=list)

    def tell(self) -> int:
        """Tell all acts; return 0 if everything read back is as it should be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        say(
            f"Hub {self.api.get('')['name']}. Everything below happens on the running stack; every number is read back."
        )
        self.connect()
        self.events_come_in()
        self.mapping_table()
        self.invitations()
        self.profile_update()
        self.leave_and_return()
        self.deletion()
        return self.summary()

    def connect(self) -> None:
        """Connect two sources."""
        started = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        workos = self.api.post("/sources", {"provider": "workos", "name": f"WorkOS directory {started}"})
        own = self.api.post("/sources", {"provider": "standard", "name": f"Payroll export {started}"})
        self.workos = WorkosSource(workos["webhook_url"], workos["secret"])
        self.own = StandardSource(own["webhook_url"], own["secret"])

    # ---------------------------------------------------------------------------------------------- act 1
    def events_come_in(self) -> None:
        """Send the history of 40 people: shuffled, a third of it twice, one forged, one stale."""
        act(1, "Directory events arrive, twice, out of order, one of them forged")
        self.base = datetime.now(UTC) - timedelta(days=2)
        people = employees()
        self.by_number = {person.number: person for person in people}
        history = [self._workos_event(person, 0) for person in people[:30]]
        # Five of them moved office since, and an older record of the same five arrives later or earlier, as it may.
        history += [self._workos_event(person, -60, office="Head office") for person in people[:5]]
        random.Random(7).shuffle(history)  # noqa: S311 - a reproducible shuffle
        history += history[::3]
        answers = [self.workos.send(event).status_code for event in history]
        batch = [self._canonical(person, "person.added", 0) for person in people[30:]]
        answers += [self.own.send(batch, name="msg_first_sync").status_code for _ in range(2)]
        accepted = sum(status in OK for status in answers)
        step(f"{len(answers)} deliveries sent, {accepted} accepted; {len(history) // 4 + 1} of them were repetitions")
        forged = self._canonical(people[0], "person.deleted", 900)
        step(f"a forged signature is answered {self.own.send(forged, signature='v1,' + 'A' * 43 + '=').status_code}")
        stale = self.own.send(forged, at=datetime.now(UTC) - timedelta(minutes=6)).status_code
        step(f"a stale timestamp is answered {stale}")

        def everybody() -> list[Json] | None:
            found = list(self.api.all("/people"))
            return found if len(found) == len(people) else None

        found = wait_for("40 persons in the directory", everybody)
        self._quiet()
        events = list(self.api.all("/events"))
        states = {state: sum(event["state"] == state for event in events) for state in ("applied", "no_change", "held")}
        step(f"the event log holds {len(events)} events, each once: {counted(states)}")
        self._checks("persons in the directory", 40, len(found))
        self._checks("events in the log, repetitions left out", 45, len(events))
        offices = [person["attributes"].get("office") for person in found]
        self._checks("people back in the old head office", 0, sum(office == "Head office" for office in offices))
        table(
            ("name", "e-mail", "state"),
            [(f"{p['first_name']} {p['last_name']}", p["email"] or "(none)", p["state"]) for p in found[:6]],
        )
        say(f"    ... and {len(found) - 6} more")

    # ---------------------------------------------------------------------------------------------- act 2
    def mapping_table(self) -> None:
        """Upload the data mapping table, look at what it would do, approve."""
        act(2, "The data mapping table says what becomes of HRIS values")
        path = self.folder / "mapping table.csv"
        path.write_text(MAPPING_CSV, encoding="utf-8")
        plan = self.api.planned(self.api.upload("mapping", "mapping table.csv", path.read_bytes()))
        step(f"the plan waits: {counted(plan['counts'])}")
        self._approve(plan)
        step(
            f"published: version {self.api.get('/mapping')['version']}, {len(self.api.get('/mapping')['rules'])} rules"
        )
        roles = sorted(role["label"] for role in self.api.get("/roles")["items"])
        segments = {segment["name"]: len(segment["options"]) for segment in self.api.get("/segments")["items"]}
        step(f"created with it: the roles {words(roles)}; options: {counted(segments)}")
        self._checks("rules published", 15, len(self.api.get("/mapping")["rules"]))

    # ---------------------------------------------------------------------------------------------- act 3
    def invitations(self) -> None:
        """Export, tidy the file as a person in Germany would, upload, invite, accept."""
        act(3, "A bulk invite: from the e-mailed template to accepted invitations")
        rows, headers = self._exported("invites")
        step(f"the template came by e-mail with {len(rows)} rows; one of them has no e-mail address")
        self._checks("rows in the template", 40, len(rows))
        removed = [row for row in rows if row["last_name"] in {"Goldberg", "Patel", "Nakamura"}]
        kept = [row for row in rows if row not in removed]
        self._row(kept, "Raman")["email"] = "priya.raman@@example.com"
        self._row(kept, "Weber")["Location"] = "Brelin"
        kept.append({**kept[0], "ref": ""})
        kept.append(
            {"email": "nadia.petrova@example.com", "first_name": "Nadia", "last_name": "Petrova", "role": "Mentor"}
        )
        path = self.folder / "einladungen geändert + geprüft.csv"
        path.write_bytes(_as_csv(kept, headers, delimiter=";").encode("utf-8-sig"))
        step(f"{len(removed)} rows removed, 2 broken, 1 doubled, 1 added; saved with semicolons and a byte-order mark")
        plan = self.api.planned(self.api.upload("invites", path.name, path.read_bytes()))
        plan = self.api.settled(plan["plan_id"])
        step(f"the plan is {plan['state']}: {counted(plan['counts'])}")
        report = self.api.download(f"/plans/{plan['plan_id']}/report")
        (self.folder / "report.csv").write_bytes(report)
        refused = [row for row in _read_csv(report) if row["result"] not in ("invited", "invite")]
        table(("row", "result", "reason"), [(row["email"], row["result"], row["reason"]) for row in refused])
        self._checks("rows refused or skipped", 3, len(refused))
        mails = self._mails("invitation", 36)
        self._checks("invitations mailed, one each", 36, len({mail["to"][0] for mail in mails}))
        self._again(path)
        self._accept(mails)

    def _again(self, path: Path) -> None:
        plan = self.api.planned(self.api.upload("invites", path.name, path.read_bytes()))
        self.api.settled(plan["plan_id"])
        self._quiet()
        self._checks("mails after the same file was uploaded again", 36, len(self._sent("invitation")))

    def _accept(self, mails: list[Json]) -> None:
        before = len(list(self.api.all("/members")))
        for mail in mails:
            link = self._link(mail)
            self.api.http.get(link)
        step(f"a mail scanner opens every link: members before {before}, after {len(list(self.api.all('/members')))}")
        self._checks("members made by opening links", 0, len(list(self.api.all("/members"))) - before)
        for mail in mails:
            if mail["to"][0].partition("@")[0] not in HESITANT:
                self.api.http.post(self._link(mail) + "/accept")
        members = list(self.api.all("/members"))
        step(f"32 people press the button: {len(members) - before} members")
        self._checks("members after accepting", 32, len(members) - before)
        self._show(members[:6])

    # ---------------------------------------------------------------------------------------------- act 4
    def profile_update(self) -> None:
        """Move somebody to another office; what an admin set by hand stays."""
        act(4, "Maya moves from London to Toronto; what an admin set by hand stays")
        member = self._member("maya.okafor@example.com")
        roles = [*member["roles"], "Mentee"]
        self.api.patch(f"/members/{member['member_id']}", {"roles": roles})
        before = self._member("maya.okafor@example.com")
        self.workos.send(self._workos_event(self.by_number[1], 600, office="Toronto"))

        def moved() -> Json | None:
            found = self._member("maya.okafor@example.com")
            return found if found["segments"].get("Location") == ["Toronto"] else None

        after = wait_for("the move of Maya", moved)
        self._compare(before, after)
        self._checks("Maya's location", ["Toronto"], after["segments"]["Location"])
        self._checks("Maya's roles, one of them given by hand", sorted(roles), sorted(after["roles"]))

    # ---------------------------------------------------------------------------------------------- act 5
    def leave_and_return(self) -> None:
        """Deactivate by event; reactivate by the members CSV, saved as UTF-16 with tabs."""
        act(5, "Tomasz leaves, and an admin takes him back through the members file")
        before = self._member("tomasz.lindqvist@example.com")
        self.workos.send(self._workos_event(self.by_number[7], 700, state="inactive"))

        def gone() -> Json | None:
            found = self._member("tomasz.lindqvist@example.com")
            return found if found["status"] == "inactive" else None

        left = wait_for("the deactivation of Tomasz", gone)
        self._compare(before, left)
        rows, headers = self._exported("members")
        self._row(rows, "Lindqvist")["status"] = "active"
        path = self.folder / "members (edited).txt"
        path.write_bytes(_as_csv(rows, headers, delimiter="\t").encode("utf-16"))
        plan = self.api.planned(self.api.upload("members", path.name, path.read_bytes()))
        changes = [change for change in self.api.all(f"/plans/{plan['plan_id']}/changes") if change.get("edits")]
        step("the plan shows, before anything happens:")
        table(
            ("row", "field", "old", "new"),
            [(c["row"], e["field"], e["old"], e["new"]) for c in changes for e in c["edits"]],
        )
        self._checks("changes shown in the plan", 1, len(changes))
        self._approve(plan)
        back = self._member("tomasz.lindqvist@example.com")
        self._compare(left, back)
        self._checks("Tomasz is", "active", back["status"])

    # ---------------------------------------------------------------------------------------------- act 6
    def deletion(self) -> None:
        """Delete by event; neither a late older event nor the old file brings the person back."""
        act(6, "Étienne asked to be forgotten; nothing brings him back")
        person = next(person for person in employees() if person.last_name == "Lefèvre")
        member = self._member(person.email or "")
        self.workos.send({**self._workos_event(person, 800), "event": "dsync.user.deleted"})
        wait_for("the deletion", lambda: self.api.call("GET", f"/members/{member['member_id']}").status_code == 404)  # noqa: PLR2004 - not found
        step("the member is gone from the hub")
        self.workos.send({**self._workos_event(person, 300, office="Berlin"), "id": "event_late"})
        old = [
            {"email": person.email, "first_name": person.first_name, "last_name": person.last_name, "role": "Mentor"}
        ]
        text = _as_csv(old, ["email", "first_name", "last_name", "role"], delimiter=",")
        plan = self.api.planned(self.api.upload("invites", "old list.csv", text.encode()))
        plan = self.api.settled(plan["plan_id"])
        self._quiet()
        step(f"a late event of before, and an old file with his address: {counted(plan['counts'])}")
        found = [m for m in self.api.all("/members") if m["email"] == person.email]
        self._checks("he is in the list of members", 0, len(found))
        status = self.api.call("GET", f"/members/{member['member_id']}").status_code
        self._checks("his page answers", 404, status)
        sent = [mail for mail in self._sent("invitation") if mail["to"] == [person.email]]
        self._checks("invitations ever mailed to him", 1, len(sent))

    # ------------------------------------------------------------------------------------------- helpers
    def _at(self, seconds: int) -> str:
        moment = self.base + timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

    def _workos_event(self, person: Employee, seconds: int, *, office: str = "", state: str = "active") -> Json:
        """Return the record of an employee as WorkOS sends it; ``seconds`` after the first sync."""
        at = self._at(seconds + person.number)
        return {
            "object": "event",
            "id": f"event_{person.number:04d}_{seconds}",
            "event": "dsync.user.updated" if seconds else "dsync.user.created",
            "created_at": at,
            "data": {
                "object": "directory_user",
                "id": f"directory_user_{person.number:04d}",
                "directory_id": "directory_01HARBOUR",
                "organization_id": "org_01HARBOUR",
                "idp_id": person.external_id,
                "email": person.email,
                "first_name": person.first_name,
                "last_name": person.last_name,
                "state": state,
                "role": {"slug": "member"},
                "roles": [{"slug": "member"}],
                "custom_attributes": {
                    "office": office or person.office,
                    "department_name": person.department,
                    "grade": person.grade,
                    "languages": list(person.languages),
                    "locale": person.locale,
                },
                "created_at": self._at(0),
                "updated_at": at,
            },
        }

    def _canonical(self, person: Employee, kind: str, seconds: int) -> Json:
        """Return the record of an employee as the client's own system sends it."""
        return {
            "type": kind,
            "timestamp": self._at(seconds + person.number),
            "data": {
                "external_id": person.external_id,
                "email": person.email,
                "first_name": person.first_name,
                "last_name": person.last_name,
                "attributes": {
                    "Office": person.office,
                    "Department_name": person.department,
                    "Grade": person.grade,
                    "Languages": list(person.languages),
                    "Locale": person.locale,
                },
                "complete": True,
            },
        }

    def _quiet(self) -> None:
        """Wait until every event of the log is settled."""
        wait_for(
            "settling every event",
            lambda: all(event["state"] != "new" for event in self.api.all("/events")),
        )

    def _approve(self, plan: Json) -> None:
        self.api.post(f"/plans/{plan['plan_id']}/approve", {"hash": plan["hash"]})
        settled = self.api.settled(plan["plan_id"])
        step(f"approved: the plan is {settled['state']}")

    def _exported(self, kind: str) -> tuple[list[dict[str, str]], list[str]]:
        """Ask for an export and take the CSV out of the e-mail that comes."""
        before = len(self._sent("export"))
        self.api.post("/exports", {"kind": kind})
        mail = wait_for("the e-mail with the export", lambda: self._sent("export")[before:])[-1]
        attached = [part for part in self._eml(mail).iter_attachments() if (part.get_filename() or "").endswith(".csv")]
        content = attached[0].get_payload(decode=True)
        assert isinstance(content, bytes)
        (self.folder / f"{kind} as exported.csv").write_bytes(content)
        rows = _read_csv(content)
        return rows, list(rows[0])

    def _sent(self, kind: str) -> list[Json]:
        """Return the mails of a kind that the recorder at the SES endpoint took, oldest first."""
        index = self.api.http.get(f"{self.stack['recorder_url']}/messages").json()["messages"]
        mine = [mail for mail in index if mail["tags"].get("hub") == self.api.hub_id]
        return [mail for mail in mine if mail["tags"].get("kind") == kind]

    def _mails(self, kind: str, count: int) -> list[Json]:
        def look() -> list[Json] | None:
            found = self._sent(kind)
            return found if len(found) >= count else None

        return wait_for(f"{count} mails of kind {kind}", look, seconds=90)

    def _eml(self, mail: Json) -> EmailMessage:
        return read_mail(Path(self.stack["mail_dir"]) / mail["file"])

    def _link(self, mail: Json) -> str:
        return invitation_link(self._eml(mail))

    def _member(self, address: str) -> Json:
        found = [member for member in self.api.all("/members") if member["email"] == address]
        return self.api.get(f"/members/{found[0]['member_id']}")

    def _show(self, members: list[Json]) -> None:
        table(
            ("name", "status", "roles", "location"),
            [
                (
                    f"{m['first_name']} {m['last_name']}",
                    m["status"],
                    ", ".join(m["roles"]),
                    ", ".join(m["segments"].get("Location", [])),
                )
                for m in members
            ],
        )

    def _compare(self, before: Json, after: Json) -> None:
        names = ("status", "status_reason", "roles", "segments")
        rows = [(name, before[name], after[name]) for name in names if before[name] != after[name]]
        table(("field", "before", "after"), rows or [("-", "no change", "no change")])

    @staticmethod
    def _row(rows: list[dict[str, str]], last_name: str) -> dict[str, str]:
        return next(row for row in rows if row["last_name"] == last_name)

    def _checks(self, what: str, expected: object, seen: object) -> None:
        self.checks.append(Check(what, expected, seen))
        step(f"{what}: {words(seen)}")

    # ------------------------------------------------------------------------------------------- summary
    def summary(self) -> int:
        """Print what was expected and what was read back."""
        say("")
        say("Summary")
        table(
            ("", "what", "expected", "read back"),
            [("ok" if check.holds else "NO", check.what, check.expected, check.seen) for check in self.checks],
        )
        failed = [check for check in self.checks if not check.holds]
        say("")
        say(f"Mails: {self.stack['mail_dir']}   Files: {self.folder}")
        if failed:
            say(f"{len(failed)} of {len(self.checks)} lines are not as they should be.")
            return 1
        say(f"All {len(self.checks)} lines are as they should be.")
        return 0


def _as_csv(rows: list[dict[str, str]], headers: list[str], *, delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, headers, delimiter=delimiter, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
