import pytest

from reka.server.retrieval.languages import detect_language, is_foreign, is_frequent


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sat on the mat and looked at the dog.", "english"),
        ("Le chat est sur la table, et il regarde par la fenêtre.", "french"),
        ("Die Katze sitzt auf dem Tisch und sieht aus dem Fenster.", "german"),
        ("El gato está en la mesa y mira por la ventana.", "spanish"),
        ("O gato está em cima da mesa e não olha para a janela.", "portuguese"),
        ("Il gatto è sul tavolo e guarda dalla finestra con il cane.", "italian"),
        ("De kat zit op de tafel en kijkt uit het raam.", "dutch"),
        ("Katten sitter på bordet och tittar ut genom fönstret.", "swedish"),
        ("Kot siedzi na stole i patrzy w okno, ale się nie boi.", "polish"),
        ("Кошка сидит на столе и смотрит в окно.", "russian"),
        ("Η γάτα κάθεται στο τραπέζι και κοιτάζει από το παράθυρο.", "greek"),
        ("القطة تجلس على الطاولة في المنزل", "arabic"),
    ],
)
def test_a_sentence_shows_its_language(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    "text", ["", "1234 5678", "猫は机の上に座っている。", "고양이가 책상 위에 앉아 있다.", "xyzzy plugh"]
)
def test_a_text_without_a_stemmer_or_without_frequent_words_has_none(text: str) -> None:
    assert detect_language(text) is None


def test_a_short_text_is_in_the_language_of_its_neighbour_if_it_has_its_script() -> None:
    assert detect_language("Printers", "english") == "english"
    assert detect_language("Принтеры", "english") is None
    assert detect_language("プリンター", "english") is None
    assert detect_language("Die Drucker und der Toner", "english") == "german"


def test_the_language_of_most_words_is_that_of_a_text() -> None:
    assert detect_language("Bonjour. " + "The name of the file is in the list of files. " * 5) == "english"


def test_frequent_words_tell_nothing_about_a_topic() -> None:
    assert is_frequent("the")
    assert is_frequent("und")
    assert not is_frequent("retrieval")


@pytest.mark.parametrize(
    ("text", "languages", "expected"),
    [
        ("How do I add a printer?", ["french"], True),
        ("Switch between windows", ["russian"], True),
        ("How do I add a printer?", ["french", "english"], False),
        ("Comment ajouter une imprimante ?", ["french"], False),
        ("Wie füge ich einen Drucker hinzu?", [None], True),
        ("Bluetooth", ["french"], False),
        ("", [], False),
        ("プリンタを追加する", [None], False),
    ],
)
def test_a_text_is_foreign_if_its_frequent_words_are_of_another_language(
    text: str, languages: list[str | None], expected: bool
) -> None:
    assert is_foreign(text, languages) is expected
