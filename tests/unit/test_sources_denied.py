"""What is never stored: attributes by their name, whatever system sent them and however it writes names."""

from __future__ import annotations

import pytest

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.sources.model import Faults, is_denied, plain_words, read_attributes, without_denied


def event(**attributes: str) -> DirectoryEvent:
    return DirectoryEvent("e", "s", "E-1", Kind.UPDATED, "2026-11-22T12:00:00.000Z", attributes={**attributes})


def source(deny: str = "") -> Source:
    return Source("0" * 26, "1" * 26, "standard", "Test", "0" * 32, settings={"deny": deny} if deny else {})


@pytest.mark.parametrize(
    "name",
    [
        *("SSN", "ssn", "employeeSSN", "SSN2", "S.S.N. (SSN)", "Social Security Number", "social_security_number"),
        *(
            "socialSecurityNumber",
            "SOCIALSECURITYNUMBER",
            "Personal.social-security.number",
            "NationalID",
            "national id",
        ),
        *("Passport", "passportNumber", "Passport expiry", "Tax ID", "taxId", "Steuer-ID", "Driver's licence", "NIN"),
        *("custom_fields.Bank account", "bankAccountNumber", "IBAN", "iban_2", "Sort code", "Direct Deposit"),
        *("Birth Date", "date_of_birth", "dateOfBirth", "DOB", "dob", "birthday", "Birthdate", "Geburtsdatum"),
        *("Date de naissance", "Country of birth"),
        *("Salary", "baseSalary", "Base salary", "employments.pay_rate", "Pay rate", "Compensation: Date", "Bonus"),
        *("Jahresgehalt", "Salaire", "hourlyRate", "WAGE", "ｓａｌａｒｙ"),
        *("Health insurance", "Medical notes", "Disability", "Sick leave", "Blood-Type", "Santé", "Vaccination status"),
    ],
)
def test_sensitive_name_is_denied(name: str) -> None:
    """Government id, bank, birth date, salary and health are recognised in any spelling."""
    assert is_denied(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Department", "Office.City", "Grade", "Job title", "Cost centre", "Languages", "Location", "Team", "Chapter"),
        *("employee_number", "Food Bank", "Business unit", "Singapore office", "Continent", "Cabinet", "Pay group"),
        *("Caribbean region", "Incoming class", "Wagering", "Payroll country", "Account manager", "Birmingham team"),
        *("Healthcare network", "custom_fields.chapter", "membership_tier", "久美子", "", "42", "Passbook"),
    ],
)
def test_ordinary_name_is_kept(name: str) -> None:
    """Names that merely hold a part of a denied word can still be mapped."""
    assert not is_denied(name)


def test_denied_attributes_are_gone_and_the_rest_stays() -> None:
    """Only the attribute is dropped; everything else of the event is as it was."""
    given = event(Department="Field", dateOfBirth="1990-01-01")
    kept = without_denied(given, source())
    assert kept.attributes == {"Department": "Field"}
    assert (kept.event_id, kept.external_id, kept.kind, kept.occurred_at) == ("e", "E-1", "updated", given.occurred_at)


def test_source_may_deny_more() -> None:
    """The setting names further attributes, in any spelling; an empty one denies nothing more."""
    given = event(shoeSize="44", Religion="x", Department="Field", religionless="y")
    assert without_denied(given, source(" shoe size , RELIGION,,")).attributes == {
        "Department": "Field",
        "religionless": "y",
    }
    assert without_denied(given, source(" , ,")) == given


def test_list_of_names_and_values_becomes_attributes() -> None:
    """A list of name and value is one attribute per name, several values where a name repeats."""
    faults = Faults()
    value = {
        "custom": [
            {"id": 1, "name": "Chapter", "value": "East Bay"},
            {"id": 2, "name": "Volunteer", "value": True},
            {"id": 3, "name": "Skill", "value": "Law"},
            {"id": 4, "name": "Skill", "value": "Finance"},
            {"id": 5, "name": "Home", "value": {"City": "Łódź"}},
            {"id": 6, "name": "SSN", "value": "000-00-0000"},
        ]
    }
    found = read_attributes(value, "$", faults)
    assert found == {
        "custom.Chapter": "East Bay",
        "custom.Volunteer": "true",
        "custom.Skill": ("Law", "Finance"),
        "custom.Home.City": "Łódź",
        "custom.SSN": "000-00-0000",
    }
    assert faults.found == []
    assert is_denied("custom.SSN")


def test_list_that_is_not_of_names_and_values_is_read_as_before() -> None:
    """One entry of another shape, and it is a list of objects like any other."""
    found = read_attributes({"c": [{"name": "Chapter", "value": "A"}, {"name": "B"}]}, "$", Faults())
    assert found == {"c.name": ("Chapter", "B"), "c.value": ("A",)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dateOfBirth", "date of birth"),
        ("IBANNumber", "iban number"),
        ("  A--b_c ", "a b c"),
        ("Größe 2", "grosse"),
        ("", ""),
    ],
)
def test_name_in_plain_words(text: str, words: str) -> None:
    """Case, accents, digits and punctuation do not tell names apart."""
    assert plain_words(text) == words
