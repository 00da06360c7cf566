"""Compare names of persons, whatever their script, accents, order, middle names and spelling.

A name is its *words*, in Latin letters. Two words that may be one name written in two ways have the same *sound*, or
nearly: the consonants that are heard, each once. A *phonetic key* is two sounds of one name: only names that share a
key are compared closely (`name_similarity`).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations

from anyascii import anyascii
from jellyfish import jaro_winkler_similarity, metaphone

from alma_leads.common.folding import fold

MAX_LENGTH = 200
# What stands in a name for grammar, descent or courtesy. Left out, unless the name is made of it, as "Le Van Do" is.
_PARTICLES = frozenset(
    {"abu", "al", "bin", "bint", "da", "das", "de", "del", "della", "den", "der", "di", "do", "dos", "du", "e", "el"}
    | {"ibn", "la", "las", "le", "los", "ter", "und", "van", "von", "y", "zu"}
    | {"dr", "jr", "mr", "mrs", "ms", "prof", "sr", "ii", "iii", "iv"}
)
_FIRST, _LAST = 3, 2  # of a longer name these words count
_FEWEST = 2
_ALPHABET = "ABFHJKLMNPRSTWXY"  # of sounds: what Metaphone writes, "th" as "t" and each vowel as "A"
_AS_HEARD = str.maketrans("0EIOU", "TAAAA")
# Ways to write the same in Latin letters, from several languages and scripts.
_SPELLINGS = (
    *(("sch", "sh"), ("tch", "ch"), ("dzh", "j"), ("dj", "j"), ("ph", "f"), ("ck", "k"), ("x", "ks"), ("ou", "u")),
    *(("oo", "u"), ("ee", "i"), ("ae", "a"), ("oe", "o"), ("ue", "u"), ("y", "i"), ("w", "v"), ("q", "k"), ("z", "s")),
)
# Jaro-Winkler: of two words with the same sound, with nearly the same, and for "very similar". Tried on the names in
# the tests. Of short words a vowel says much: Tom is not Tim.
_SAME_SOUND, _NEAR_SOUND, _CLOSE = 0.76, 0.92, 0.88
_SHORT = 3
_UNLIKE = 0.6
_SPACES_APART = 3  # letters by which a name in more words may be longer and still be the same, written apart


class NameSimilarity(enum.IntEnum):
    """How similar two names are."""

    NONE = 0
    SIMILAR = 1
    VERY_SIMILAR = 2


def words_of(*, first_name: str, last_name: str) -> list[str]:
    """Return the words of a name that count, in their order, in Latin letters without accents or case."""
    found = [word for part in f"{first_name} {last_name}".split() for word in _spelt(part)]
    telling = [word for word in found if len(word) > 1 and word not in _PARTICLES]
    words = telling if len(telling) >= _FEWEST else found
    return words if len(words) <= _FIRST + _LAST else words[:_FIRST] + words[-_LAST:]


def _spelt(text: str) -> list[str]:
    """Return the words in a part of a name without spaces. An ideograph is a syllable, and a word of its own."""
    latin = anyascii(text)
    if text.lower() == text.upper():  # a script without case: the ayn of Arabic is a vowel to others
        latin = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", latin).replace("`", "a")
    return re.findall(r"[a-z0-9]+", re.sub(r"['’`.]", "", fold(latin)))


def name_key(words: Sequence[str]) -> str:
    """Return the words as they are stored beside each key, to be compared without reading the lead."""
    return " ".join(words)[:MAX_LENGTH]


def phonetic_keys(words: Sequence[str]) -> list[str]:
    """Return a key for each pair of words in a name. A name of one word has a key of its own."""
    return sorted({_phonetic_key(*sounds) for sounds in _combined(words)})


def nearby_phonetic_keys(words: Sequence[str]) -> list[str]:
    """Return the keys with one sound more or less than those of a name: as if a consonant was mistyped."""
    near = {
        _phonetic_key(*sounds[:at], other, *sounds[at + 1 :])
        for sounds in _combined(words)
        for at, sound in enumerate(sounds)
        for other in _one_off(sound)
    }
    return sorted(near - set(phonetic_keys(words)))


def _combined(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    if len(words) < _FEWEST:
        yield from ((_sound(word),) for word in words)
    for pair in combinations(words, 2):
        yield tuple(map(_sound, pair))
    if len(words) == _FEWEST + 1:  # "Xiao Long Li" is "Xiaolong Li"
        yield from (tuple(map(_sound, joined)) for joined in _joined(words))


def _joined(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the name with two neighbouring words written as one."""
    for at in range(len(words) - 1):
        yield [*words[:at], words[at] + words[at + 1], *words[at + 2 :]]


def _phonetic_key(*sounds: str) -> str:
    return " ".join(sorted(sounds))


@lru_cache(maxsize=20_000)
def _sound(word: str) -> str:
    heard = metaphone(_level(word)).translate(_AS_HEARD) if word.isalpha() else ""
    # A vowel counts at the beginning only. In their order by letter, so that "Gracia" and "Garcia" are one.
    return "".join(sorted(set(heard[:1] + heard[1:].replace("A", "")))) or word[: len(_ALPHABET)]


@lru_cache(maxsize=20_000)
def _level(word: str) -> str:
    for spelling, same in _SPELLINGS:
        word = word.replace(spelling, same)
    return re.sub(r"(.)\1", r"\1", word)


def _one_off(sound: str) -> list[str]:
    if not sound.isupper():  # digits, which have none
        return []
    return ["".join(sorted(set(sound) ^ {letter})) for letter in _ALPHABET if sound != letter]


def name_similarity(one: str, other: str) -> NameSimilarity:
    """Return how similar two names are, as `name_key` returns them."""
    if one == other:
        return NameSimilarity.VERY_SIMILAR
    few, many = sorted((one.split(), other.split()), key=len)
    found = _compare(few, many)
    if found is NameSimilarity.VERY_SIMILAR or len(few) < _FEWEST or len(many) != len(few) + 1:
        return found
    if abs(len(one) - len(other)) > _SPACES_APART:  # a word more, and not one that was written apart
        return found
    return max(found, *(_compare(few, joined) for joined in _joined(many)))


def _compare(few: list[str], many: list[str]) -> NameSimilarity:
    """Compare words: each word of the shorter name must be found in the other, in any order."""
    if min(len(few), _FEWEST) != min(len(many), _FEWEST):  # one name alone says too little
        return NameSimilarity.NONE
    scores = []
    for i, word in enumerate(few):
        of_word = [(score, i, j) for j, other in enumerate(many) if (score := _score(word, other))]
        if not of_word:
            return NameSimilarity.NONE
        scores += of_word
    least, left, free = 1.0, set(range(len(few))), set(range(len(many)))
    for score, i, j in sorted(scores, key=lambda each: -each[0]):
        if i in left and j in free:
            least = min(least, score)
            left.remove(i)
            free.remove(j)
    if left:
        return NameSimilarity.NONE
    return NameSimilarity.VERY_SIMILAR if not free and least >= _CLOSE else NameSimilarity.SIMILAR


def _score(one: str, other: str) -> float:
    """Return how alike two words are, from 0 (not) to 1 (the same)."""
    # Most words of most candidates are nothing like each other, and this finds out at once.
    return 0.0 if jaro_winkler_similarity(one, other) < _UNLIKE else _score_closely(one, other)


@lru_cache(maxsize=20_000)
def _score_closely(one: str, other: str) -> float:
    level, other_level = _level(one), _level(other)
    if level == other_level:
        return 1.0
    alike = jaro_winkler_similarity(level, other_level)
    apart = len(set(_sound(one)) ^ set(_sound(other)))
    if apart > 1:
        return 0.0
    bare = _bare(one)
    if len(bare) > 1 and bare == _bare(other) and not (_has_vowel(one) and _has_vowel(other)):
        return max(alike, _SAME_SOUND)  # from a script that writes no vowels
    enough = _NEAR_SOUND if apart or min(len(level), len(other_level)) <= _SHORT else _SAME_SOUND
    return alike if alike >= enough else 0.0


def _bare(word: str) -> str:
    return re.sub(r"(.)\1", r"\1", re.sub(r"[aeiouy]", "", word))


def _has_vowel(word: str) -> bool:
    return re.search(r"[aeiou]", word) is not None
