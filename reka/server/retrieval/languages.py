"""The language of a text, by its script and its most frequent words; and those words."""

import re
from collections.abc import Mapping
from typing import Final

SAMPLE_CHARS: Final = 2_000
"""Characters that are looked at: function words show a language within a few sentences (ours)."""

STOP_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "english": "the of and to in is that for it as with on by are this be from or at an not you your can how do "
        "what which when where do does did i my a if was were has have will should would why who many much there",
        "french": "le la les de des du et un une est dans pour que qui pas sur avec vous ce au aux cette votre plus "
        "par en se si ne sont comment quel quelle",
        "german": "der die das und ist von den mit ein eine nicht zu auf für im dem sie es als auch werden wird oder "
        "wie sich des einen kann ich was",
        "spanish": "el la los las de que y en un una es por con para se del no al su como más o si puede cómo qué",
        "portuguese": "o a os as de que e em um uma é por com para se do da não ao dos das como mais ou você no na",
        "italian": "il la di che e è un una per con del della non si le i gli nel sono come più da al lo o",
        "dutch": "de het een en van is dat in op te voor met zijn niet aan er om ook worden u of als naar bij",
        "swedish": "och att det som en är på av för med den till inte har om ett i de kan du eller från",
        "danish": "og at det som en er på af for med den til ikke har om et i de der kan du eller fra",
        "norwegian": "og å det som en er på av for med den til ikke har om et i de kan du eller fra",
        "finnish": "ja on ei että se oli joka tai mutta kun ovat myös kuin niin sen voit jos mitä miten",
        "hungarian": "a az és hogy nem is egy van ez meg de csak már ha mint vagy lehet hogyan",
        "romanian": "și de la în cu pe nu o un este să care din mai sau pentru sunt dacă cum",
        "turkish": "ve bir bu da de için ile olarak çok daha gibi ne değil olan var veya mi nasıl",
        "polish": "i w na nie z do się jest to że o jak za od dla lub po czy można",
        "czech": "a v na je se z do že s to o jako pro není by jsou nebo pokud jak",
        "indonesian": "yang dan di ini itu dari untuk dengan pada adalah tidak ke akan atau anda dapat bagaimana",
        "catalan": "el la de que i en un una és per amb dels les no del als o si com pot",
        "russian": "и в не на что с по как это для из к или от при же а но вы чтобы если можно есть",
        "greek": "και το να της του η ο με για την σε από στο που τα είναι των",
        "arabic": "في من على إلى أن هذا التي الذي عن مع أو ما لا هو هي كان",
        "hindi": "के में की है और से का को पर यह नहीं हैं कि एक लिए",
    }.items()
}
"""Frequent words by language, under the names of Snowball's stemmers."""

_FREQUENT: Final = frozenset().union(*STOP_WORDS.values())

_SCRIPTS: Final = {
    "cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "greek": re.compile(r"[\u0370-\u03ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "devanagari": re.compile(r"[\u0900-\u097f]"),
    "latin": re.compile(r"[a-zA-Z\u00c0-\u024f]"),
    "eastern": re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0e00-\u0e7f]"),
}
_LANGUAGES_OF_SCRIPT: Final[Mapping[str, tuple[str, ...]]] = {
    "cyrillic": ("russian",),
    "greek": ("greek",),
    "arabic": ("arabic",),
    "devanagari": ("hindi",),
    "latin": tuple(name for name in STOP_WORDS if name not in {"russian", "greek", "arabic", "hindi"}),
    "eastern": (),
}
_WORD: Final = re.compile(r"[^\W\d_]+")


def is_frequent(word: str) -> bool:
    """Whether a normalized word is one of the most frequent of some language, and so tells nothing about a topic."""
    return word in _FREQUENT


def detect_language(text: str, neighbour: str | None = None) -> str | None:
    """Name the language of a text; None for one that has no stemmer here.

    Args:
        text: Any text; its first SAMPLE_CHARS characters are looked at.
        neighbour: Language of a text beside it, which is taken for one of the same script that is too short to tell.

    Returns:
        The name of a Snowball stemmer, such as `english`.
    """
    sample = text[:SAMPLE_CHARS]
    sizes = {script: len(pattern.findall(sample)) for script, pattern in _SCRIPTS.items()}
    script = max(sizes, key=lambda name: sizes[name])
    candidates = _LANGUAGES_OF_SCRIPT[script] if sizes[script] else ()
    if not candidates:
        return None
    words = [word.casefold() for word in _WORD.findall(sample)]
    counts = {language: sum(word in STOP_WORDS[language] for word in words) for language in candidates}
    best = max(candidates, key=lambda language: counts[language])
    if counts[best]:
        return best
    return neighbour if neighbour in candidates else None
