"""The client of the story: Harbour Federation, 40 people in six offices. All of them are invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Employee:
    """One employee as the client's HR system has them."""

    number: int
    first_name: str
    last_name: str
    email: str | None
    office: str
    department: str
    grade: str
    languages: tuple[str, ...]
    locale: str = "en"

    @property
    def external_id(self) -> str:
        """The id that the client's HR system gives them."""
        return f"E-{1000 + self.number}"


_ROWS = """
Maya|Okafor|maya.okafor|London|Programmes|Senior|English,Yoruba|en
Łukasz|Żółkiewski|lukasz.zolkiewski|Warsaw|Programmes|Senior|Polish,English|en
久美子|田中|kumiko.tanaka|Tokyo|Partnerships|Lead|Japanese,English|en
Siobhán|O'Brien-Ñúñez|siobhan.obrien|London|Field|Junior|English,Irish,Spanish|en
ליאור|כהן|lior.cohen|London|Finance|Senior|Hebrew,English|en
ليلى|الحداد|layla.haddad|Cairo|Field|Lead|Arabic,French|ar
Tomasz|Lindqvist|tomasz.lindqvist|Warsaw|People|Lead|Polish,Swedish|en
Priya|Raman|priya.raman|Toronto|Field|Junior|English,Tamil|en
Jonas|Weber|jonas.weber|Berlin|Programmes|Senior|German,English|en
Zoë|van der Berg|zoe.vandenberg|Berlin|Communications|Junior|Dutch,German|en
Amélie|Dubois|amelie.dubois|Toronto|Communications|Senior|French,English|fr
Étienne|Lefèvre|etienne.lefevre|Toronto|Finance|Junior|French|fr
Nguyễn|Thị Hương|huong.nguyen|Tokyo|Programmes|Junior|Vietnamese,English|en
Aiko|Sato|aiko.sato|Tokyo|Finance|Senior|Japanese|en
Lena|Fischer-Moss|lena.fischer|Berlin|Field|Lead|German|en
Samuel|Adeyemi|samuel.adeyemi|London|Partnerships|Junior|English,Yoruba|en
Chloé|Martin|chloe.martin|Toronto|Programmes|Junior|French,English|fr
Omar|El-Sayed|omar.elsayed|Cairo|Programmes|Senior|Arabic,English|ar
نور|منصور|nour.mansour|Cairo|People|Junior|Arabic|ar
Ingrid|Ødegård|ingrid.odegard|London|People|Senior|Norwegian,English|en
Mateo|García-Pérez|mateo.garcia|Toronto|Partnerships|Senior|Spanish,English|en
Björn|Þórsson|bjorn.thorsson|Berlin|Partnerships|Junior|Icelandic,German|en
Dražen|Čović|drazen.covic|Warsaw|Field|Junior|Croatian,Polish|en
Ayşe|Yılmaz|ayse.yilmaz|Berlin|Finance|Senior|Turkish,German|en
Γιώργος|Παπαδόπουλος|giorgos.papadopoulos|London|Field|Senior|Greek,English|en
Ольга|Иванова|olga.ivanova|Warsaw|Communications|Lead|Russian,Polish|en
Fatima|Zahra|fatima.zahra|Cairo|Finance|Senior|Arabic,French|ar
Grace|Mensah|grace.mensah|London|Programmes|Junior|English,Twi|en
Hiroshi|Yamamoto|hiroshi.yamamoto|Tokyo|Field|Senior|Japanese|en
Renée|Côté|renee.cote|Toronto|People|Lead|French,English|fr
Pål|Strøm|pal.strom|London|Communications|Senior|Norwegian|en
Anjali|Nair|anjali.nair|Toronto|Programmes|Senior|English,Malayalam|en
Kwame|Boateng|kwame.boateng|London|Finance|Junior|English,Twi|en
Sofia|Rossi|sofia.rossi|Berlin|People|Junior|Italian,German|en
Yuki|Nakamura|yuki.nakamura|Tokyo|Communications|Junior|Japanese,English|en
Piotr|Wójcik|piotr.wojcik|Warsaw|Finance|Senior|Polish|en
Hana|Nováková|hana.novakova|Berlin|Field|Senior|Czech,German|en
David|MacLeod|david.macleod|Toronto|Field|Senior|English,Gaelic|en
Miriam|Goldberg|miriam.goldberg|London|Partnerships|Lead|English,Hebrew|en
Ravi|Patel||Toronto|Finance|Junior|English,Gujarati|en
"""


def employees() -> list[Employee]:
    """Return the 40 employees; the last one has no e-mail."""
    found = []
    for number, row in enumerate(_ROWS.strip().splitlines(), start=1):
        first, last, mailbox, office, department, grade, languages, locale = row.split("|")
        email = f"{mailbox}@example.com" if mailbox else None
        found.append(
            Employee(number, first, last, email, office, department, grade, tuple(languages.split(",")), locale)
        )
    return found


MAPPING_CSV = """\
;HRIS field;HRIS attribute;;Hub type;Hub field;Hub attribute;Visibility
Offices;Office;London;->;Segment;Location;London;Public
;;Toronto;->;Segment;Location;Toronto;Public
;;Warsaw;->;Segment;Location;Warsaw;Public
;;Tokyo;->;Segment;Location;Tokyo;Public
;;Berlin;->;Segment;Location;Berlin;Public
;;Cairo;->;Segment;Location;Cairo;Public
Who mentors whom;Grade;Lead;->;Role;;Mentor;
;;Senior;->;Role;;Mentor;
;;Junior;->;Role;;Mentee;
Only admins see it;Department_name;Programmes;->;Segment;Department;Programmes;Private
;;Partnerships;->;Segment;Department;Partnerships;Private
;;Field;->;Segment;Department;Field;Private
;;Finance;->;Segment;Department;Finance;Private
;;People;->;Segment;Department;People;Private
;;Communications;->;Segment;Department;Communications;Private
"""
