"""Where text may be cut."""

import pytest

from nodes._sentences import fitting, paragraphs, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("No end", ["No end"]),
        ("One. Two! Three? Four… Five.", ["One.", "Two!", "Three?", "Four…", "Five."]),
        ("Mr. A. B. Smith came at 9 a.m. today. He left.", ["Mr. A. B. Smith came at 9 a.m. today.", "He left."]),
        ("It cost 3.50. See example.com now.", ["It cost 3.50.", "See example.com now."]),
        ('He said: "Stop!" Then he left.', ['He said: "Stop!"', "Then he left."]),
        ("¿Qué tal? ¡Bien! Está aquí.", ["¿Qué tal?", "¡Bien!", "Está aquí."]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("A line\nbreaks. Here.", ["A line breaks.", "Here."]),
        ("यह पहला वाक्य है। यह दूसरा वाक्य है।", ["यह पहला वाक्य है।", "यह दूसरा वाक्य है।"]),
        ("यह है।वह है॥", ["यह है।", "वह है॥"]),
        ('उसने कहा, "चलो।" फिर वह गया।', ['उसने कहा, "चलो।"', "फिर वह गया।"]),
        ("डॉ. शर्मा आए। वे गए।", ["डॉ. शर्मा आए।", "वे गए।"]),
        ("یہ پہلا جملہ ہے۔ کیا یہ؟ ہاں", ["یہ پہلا جملہ ہے۔", "کیا یہ؟", "ہاں"]),
        ("هل أنت بخير؟ نعم. شكرا", ["هل أنت بخير؟", "نعم.", "شكرا"]),
        ("Բարև ձեզ։ Ինչպե՞ս եք։", ["Բարև ձեզ։", "Ինչպե՞ս եք։"]),
        ("ሰላም ነው። እንዴት ነህ፧ ደህና", ["ሰላም ነው።", "እንዴት ነህ፧", "ደህና"]),
        ("မင်္ဂလာပါ။ နေကောင်းလား။", ["မင်္ဂလာပါ။", "နေကောင်းလား။"]),
        ("ეს პირველია. ეს მეორეა? კი!", ["ეს პირველია.", "ეს მეორეა?", "კი!"]),
        ("שלום.\u200f \u202bמה שלומך?\u202c טוב.", ["שלום.\u200f", "\u202bמה שלומך?\u202c", "טוב."]),
        ("Am 3. Mai kam er. Im 19. Jahrhundert nicht.", ["Am 3. Mai kam er.", "Im 19. Jahrhundert nicht."]),
        ("It was 1990. May came.", ["It was 1990.", "May came."]),
        ("Dhr. Jansen kwam. Hij ging.", ["Dhr. Jansen kwam.", "Hij ging."]),
        ("ខ្ញុំ។ អ្នក៕", ["ខ្ញុំ។", "អ្នក៕"]),
        ("Τι κάνεις; Καλά. Εσύ\u037e Ναι", ["Τι κάνεις;", "Καλά.", "Εσύ\u037e", "Ναι"]),
        ("x = a; Then b", ["x = a; Then b"]),
        ("真的？！「好。」行｡是……嗯", ["真的？！", "「好。」", "行｡", "是……嗯"]),
        ("価格は３．５円。次．終", ["価格は３．５円。", "次．", "終"]),
        ("Да‼ Что⁉ Нет", ["Да‼", "Что⁉", "Нет"]),
        ("«Кто там?» спросил он. Да.", ["«Кто там?» спросил он.", "Да."]),
        ("J.R.R. Tolkien, Ph.D. Wait... What", ["J.R.R. Tolkien, Ph.D. Wait...", "What"]),
        ("… Hello. 😀 Bye. $5 is due.", ["… Hello.", "😀 Bye.", "$5 is due."]),
        ("1. Buy milk. Go.\n2. Sell it\n- a", ["1. Buy milk.", "Go.", "2. Sell it", "- a"]),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


def test_paragraphs():
    assert paragraphs("One\ntwo.\n\n \nThree.") == ["One two.", "Three."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", ["short"]),
        ("one two, three four, five", ["one two,", "three four,", "five"]),
        ("one, two three four five", ["one,", "two three", "four five"]),
        ("abcdefghijklmnop", ["abcdefgh", "ijklmnop"]),
        ("一二三四五，六七八九，十一二", ["一二三四五，六七八九，", "十一二"]),
    ],
)
def test_fitting(text, expected):
    assert fitting(text, lambda piece: len(piece) <= 12) == expected
