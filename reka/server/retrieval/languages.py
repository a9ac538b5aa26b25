"""The language of a text, by its script and its most frequent words; and those words."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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

_FURTHER_STOP_WORDS: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "english": "about again all also am any because been being but cannot could did doing don done each else get "
        "give given got had having he her here him his into its just let ll m may me might mine more most must now "
        "only our out please re s same say she shows so some something such t tell than their them then these they "
        "thing things those too up us use used using ve very want way we were while whether whom whose work works",
        "french": "quels quelles où quand qui quoi combien pourquoi il elle on je nous à l d s n qu c j m été peut "
        "faut faire fait son sa ses leur y",
        "german": "wann warum wer wem wen welche welcher welches wieviel wo woher wohin wird hat haben ihr er wir bei "
        "nach aus um am einem einer sind man muss",
        "spanish": "cuál cuáles cuándo cuánto cuánta cuántos cuántas dónde quién a qué hay tiene le me mi su sus ser",
        "portuguese": "qual quais quando quanto quantos quanta quantas onde quem por que é tem há foi seu sua",
        "italian": "cosa quale quali quando quanto quanti quanta quante dove chi perché a ha c è l d all della",
        "russian": "где когда кто какой какая какое какие сколько почему зачем чем он она они мы я у о об ли до за",
        "dutch": "wat wie waar wanneer waarom hoe hoeveel welke wordt heeft kan ik je",
        "turkish": "nedir nerede zaman kaç kim hangi neden niçin mı mu mü",
        "polish": "co kiedy gdzie kto ile który która które dlaczego są",
    }.items()
}
"""Words of questions, auxiliary verbs and the like, which tell nothing about a topic and too little of the language."""

_FUNCTION_WORDS: Final[Mapping[str, frozenset[str]]] = {
    **STOP_WORDS,
    # Words that tell the language, and more than that: they are searched for.
    "english": STOP_WORDS["english"] | {"off", "over", "between", "under", "through", "without"},
}


def _languages_of(words: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    languages: dict[str, list[str]] = {}
    for name, own in words.items():
        for word in own:
            languages.setdefault(word, []).append(name)
    return languages


_LANGUAGES_OF_STOP_WORD: Final = _languages_of(STOP_WORDS)
_LANGUAGES_OF_FUNCTION_WORD: Final = _languages_of(_FUNCTION_WORDS)

_EASTERN_STOP_WORDS: Final = re.compile(
    # Japanese: words of questions, copulas and particles of two letters; Chinese; Korean.
    "ください|でしょうか|いつから|いつまで|どのように|どうやって|どうすれば|どれくらい|どのくらい|について|ありますか|"
    "できますか|しますか|ますか|ですか|いつ|どこ|だれ|なに|いくら|どれ|どの|どう|いくつ|とは|です|ます|から|まで|"
    "什么时候|什麼時候|为什么|為什麼|怎么样|什么|什麼|怎么|怎麼|如何|多少|哪里|哪裡|哪些|哪个|是否|可以|"
    "어떻게|무엇|언제|어디|얼마|인가요|합니까|입니까|하나요|있나요|습니까|되나요|누구|"
    "[はがをにのでともへやかねよ吗嗎呢的了是在]"
)

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


def stop_words(language: str | None) -> frozenset[str]:
    """List the words of a language that tell nothing about a topic; none for a language that has no list here."""
    if language is None:
        return frozenset()
    return STOP_WORDS.get(language, frozenset()) | _FURTHER_STOP_WORDS.get(language, frozenset())


def without_eastern_stop_words(text: str) -> str:
    """Replace the function words of Chinese, Japanese and Korean, which no space divides from others, by spaces."""
    return _EASTERN_STOP_WORDS.sub(" ", text)


def detect_language(text: str, neighbour: str | None = None) -> str | None:
    """Name the language of a text; None for one that has no stemmer here.

    Args:
        text: Any text; its first SAMPLE_CHARS characters are looked at.
        neighbour: Language of a text beside it, which is taken for one of the same script that is too short to tell.

    Returns:
        The name of a Snowball stemmer, such as `english`.
    """
    sample = text[:SAMPLE_CHARS]
    candidates = _LANGUAGES_OF_SCRIPT[script] if (script := _script_of(sample)) else ()
    if not candidates:
        return None
    counts = _count_by_language(sample, _LANGUAGES_OF_STOP_WORD)
    best = max(candidates, key=lambda language: counts[language])
    if counts[best]:
        return best
    return neighbour if neighbour in candidates else None


def is_foreign(text: str, languages: Collection[str | None]) -> bool:
    """Tell whether a text is in another language than these, as far as its most frequent words tell.

    Args:
        text: Any text; its first SAMPLE_CHARS characters are looked at.
        languages: Names of languages; None for one without a stemmer.
    """
    counts = _count_by_language(text[:SAMPLE_CHARS], _LANGUAGES_OF_FUNCTION_WORD)
    return max(counts.values(), default=0) > max([counts[name or ""] for name in languages], default=0)


def _count_by_language(text: str, languages_of: Mapping[str, Sequence[str]]) -> Counter[str]:
    """Count the words of a text that are of each language."""
    counts: Counter[str] = Counter()
    for word in _WORD.findall(text.casefold()):
        for language in languages_of.get(word, ()):
            counts[language] += 1
    return counts


def _script_of(text: str) -> str | None:
    """Return the script that most of a text's letters are of; None if they are of no known one."""
    if text.isascii():
        return "latin" if _SCRIPTS["latin"].search(text) else None
    sizes = {script: len(pattern.findall(text)) for script, pattern in _SCRIPTS.items()}
    script = max(sizes, key=lambda name: sizes[name])
    return script if sizes[script] else None
