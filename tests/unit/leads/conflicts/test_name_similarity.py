"""Which names are taken for one person's: pairs from real life that must be found, and pairs that must not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alma_leads.leads.conflicts.name_similarity import (
    MAX_LENGTH,
    NameSimilarity,
    name_key,
    name_similarity,
    nearby_phonetic_keys,
    phonetic_keys,
    words_of,
)

VERY_SIMILAR = """
order         Maria Lopez Garcia     García López, María
order         Wei Zhang              Zhang Wei
accents       Łukasz Wójcik          Lukasz Wojcik
accents       Nguyễn Thị Hồng        Nguyen Thi Hong
order         Nguyễn Văn Đức         Duc Nguyen
umlauts       Björn Müller           Bjoern Mueller
spelling      Jon Smith              John Smith
spelling      Katherine Jones        Catherine Jones
spelling      Kathryn Jones          Katherine Jones
spelling      Elisabeth Weiss        Elizabeth Weiß
spelling      Stephen Brown          Steven Brown
spelling      Oksana Shevchenko      Oxana Schevchenko
spelling      Vladimir Kowalski      Wladimir Kowalsky
spelling      Fernando Gonzales      Fernando González
spelling      Jamal Abdullah         Djamal Abdallah
spelling      Rashid Benali          Rachid Benali
spelling      Thomas Schmidt         Tomas Schmitt
spelling      Philip Carter          Phillip Karter
spelling      Alexander Pushkin      Aleksandr Pushkin
typing        Maria Garcia           Maria Gracia
typing        Amara Okafor           Amara Okafo
typing        Michael Brown          Micheal Brown
script        Кирилл Петров          Kirill Petrov
script        Кирилл Петров          Kiril Petroff
script        Γιώργος Παπαδόπουλος   Giorgos Papadopoulos
script        李小龙                 Xiaolong Li
script        김민준                 Minjun Gim
spaces        Xiao Long Li           Xiaolong Li
spaces        Mary-Jane Watson       Maryjane Watson
signs         Seán O'Brien           Sean OBrien
signs         Sean O’Brien           Sean O Brien
particles     Ana de la Cruz         Ana Cruz
particles     Khalid Al-Hassan       Khaled Hassan
particles     Dr. Ahmed Khan, Jr.    Ahmed Khan
initials      Maria E. Garcia        Maria Garcia
"""
SIMILAR = """
vowels        Mohammed Ali           Muhammad Ali
vowels        Mohamed Aly            Muhammad Ali
vowels        Usama Khan             Osama Khan
middle name   Maria Garcia           Maria Elena Garcia
middle name   José Luis Martínez     Jose Martinez
second name   Maria Garcia           Maria Garcia Lopez
script        محمد علي               Mohammed Ali
spelling      Sara Cohen             Sarah Kohen
"""
OTHERS = """
first name    John Smith             Jane Smith
first name    David Lee              Daniel Lee
first name    Tom Cook               Tim Cook
first name    Juan Perez             Jose Perez
first name    James Wilson           Jason Wilson
first name    Robert Miller          Rupert Miller
first name    Emma Stone             Emily Stone
first name    Sunil Kumar            Anil Kumar
first name    Amir Shah              Omar Shah
first name    Jean Martin            John Martin
first name    Hans Meier             Hanna Meier
first name    Ali Khan               Lee Khan
first name    Marcus Lee             Mark Lee
first name    Xiaoming Wang          Xiaoling Wang
last name     Mohammed Ali           Mohammed Khan
last name     Ana Silva              Ana Souza
last name     Wei Chen               Wei Zhang
last name     Luis Fernandez         Luis Hernandez
last name     Rosa Delgado           Rosa Salgado
last name     Maria Garcia           Maria Lopez
middle name   Maria Elena Garcia     Maria Luisa Garcia
middle name   Nguyen Van Duc         Nguyen Thi Hong
both names    Maria Garcia           Marco Garza
both names    Chen Li                Cheng Lin
short names   Li Wei                 Lu Wei
short names   Kim Min                Kim Minjun
one name      Maria                  Maria Garcia
"""


def pairs(table: str) -> list[tuple[str, str]]:
    """Return the names of a table, which stand in columns."""
    rows = [re.split(r"  +", line) for line in table.strip().splitlines()]
    return [(one, other) for _, one, other in rows]


def words(name: str) -> list[str]:
    """Return the words of a name that is typed as people type it: anyhow into two fields."""
    first, _, last = name.partition(" ")
    return words_of(first_name=first, last_name=last)


def found(name: str, earlier: str) -> NameSimilarity:
    """Return what a look-up for `name` says of `earlier`: nothing when it is not even a candidate."""
    asked = words(name)
    candidates = {*phonetic_keys(asked), *nearby_phonetic_keys(asked)}
    if candidates.isdisjoint(phonetic_keys(words(earlier))):
        return NameSimilarity.NONE
    return name_similarity(name_key(asked), name_key(words(earlier)))


def both_ways(table: str) -> list[tuple[str, str]]:
    """Return each pair of a table, and again the other way round."""
    return [pair for one, other in pairs(table) for pair in ((one, other), (other, one))]


@pytest.mark.parametrize(("name", "earlier"), both_ways(VERY_SIMILAR))
def test_one_person_written_in_two_ways(name: str, earlier: str) -> None:
    assert found(name, earlier) is NameSimilarity.VERY_SIMILAR


@pytest.mark.parametrize(("name", "earlier"), both_ways(SIMILAR))
def test_perhaps_one_person(name: str, earlier: str) -> None:
    assert found(name, earlier) is NameSimilarity.SIMILAR


@pytest.mark.parametrize(("name", "earlier"), both_ways(OTHERS))
def test_two_people(name: str, earlier: str) -> None:
    assert found(name, earlier) is NameSimilarity.NONE


def test_a_name_of_particles_is_a_name() -> None:
    assert words("Le Van Do") == ["le", "van", "do"]


def test_few_pairs_are_kept_of_a_name() -> None:
    assert [len(phonetic_keys(words(name))) for name in ("Maria Garcia", "Maria Elena Garcia", "Sukarno .")] == [
        1,
        5,
        1,
    ]
    long = words("Pablo Diego José Francisco Paula Juan Nepomuceno Ruiz Picasso")
    assert (long, len(phonetic_keys(long))) == (["pablo", "diego", "jose", "ruiz", "picasso"], 10)


def test_a_name_without_letters_has_no_pairs() -> None:
    assert phonetic_keys(words("- .")) == []


@given(st.text(min_size=1, max_size=100), st.text(min_size=1, max_size=100))
def test_every_name_is_like_itself(first: str, last: str) -> None:
    asked = words_of(first_name=first, last_name=last)
    kept = name_key(asked)
    assert kept.isascii()
    assert len(kept) <= MAX_LENGTH
    assert name_similarity(kept, kept) is NameSimilarity.VERY_SIMILAR
    assert all(pair.isascii() for pair in phonetic_keys(asked))
