"""mt.seq2seq through the real classes, on tiny random checkpoints built here: one for a pair, one for many languages."""

import json

import pytest

from nodes.mt._tags import Tags
from nodes.mt.seq2seq import Seq2Seq, _plain
from studio import InputError, ModelUnavailable

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")]

_WORDS = [
    "hello world how are you today",
    "the cat is on the red sofa",
    "bom dia mundo",
    "o gato está no sofá vermelho",
] * 20
_SIZES = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 64,
}


def _pieces(folder):
    """A SentencePiece model trained on a handful of words; its pieces with </s> and <pad>."""
    sentencepiece = pytest.importorskip("sentencepiece")
    (folder / "words.txt").write_text("\n".join(_WORDS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "words.txt"),
        model_prefix=str(folder / "pieces"),
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    trained = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    learnt = [trained.id_to_piece(number) for number in range(trained.get_piece_size())]
    return ["</s>", "<unk>", *(piece for piece in learnt if piece not in ("<s>", "</s>", "<unk>")), "<pad>"]


def _save(folder, model, config, tokenizer):
    pytest.importorskip("torch").manual_seed(0)
    model(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    """A Marian for English to Portuguese."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("marian")
    vocabulary = {piece: number for number, piece in enumerate(_pieces(folder))}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
    pieces = str(folder / "pieces.model")
    tokenizer = transformers.MarianTokenizer(
        pieces, pieces, str(folder / "vocabulary.json"), source_lang="en", target_lang="pt"
    )
    pad = vocabulary["<pad>"]
    config = transformers.MarianConfig(
        vocab_size=len(vocabulary),
        pad_token_id=pad,
        decoder_start_token_id=pad,
        eos_token_id=0,
        forced_eos_token_id=0,
        **_SIZES,
    )
    return _save(folder, transformers.MarianMTModel, config, tokenizer)


@pytest.fixture(scope="module")
def m2m(tmp_path_factory):
    """An M2M-100 for a hundred languages."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("m2m")
    vocabulary = {
        piece: number for number, piece in enumerate(["<s>", "<pad>", *(p for p in _pieces(folder) if p != "<pad>")])
    }
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
    tokenizer = transformers.M2M100Tokenizer(str(folder / "vocabulary.json"), str(folder / "pieces.model"))
    config = transformers.M2M100Config(
        vocab_size=max(tokenizer.lang_code_to_id.values()) + 1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=vocabulary["</s>"],
        decoder_start_token_id=vocabulary["</s>"],
        **_SIZES,
    )
    return _save(folder, transformers.M2M100ForConditionalGeneration, config, tokenizer)


def test_a_pair_translates_in_batches(marian, work):
    text = "Hello world. The cat is on the sofa. How are you today?"
    one, many = (
        work(Seq2Seq, model=marian, max_tokens=8, beam_size=1, batch=batch).run(text, "en", "pt-BR")
        for batch in (1, 16)
    )
    assert one
    assert one == many


def test_a_pair_knows_its_languages(marian, work):
    with pytest.raises(InputError, match="translates en to pt, not de to pt"):
        work(Seq2Seq, model=marian).run("Hallo", "de", "pt")


def test_many_languages_are_told_apart(m2m, work):
    translator = work(Seq2Seq, model=m2m, max_tokens=8)
    assert translator.tags.options(translator.tokenizer, "eng", "pt-BR") == {
        "forced_bos_token_id": translator.tokenizer.get_lang_id("pt")
    }
    assert translator.tokenizer.src_lang == "en"
    assert isinstance(translator.run("Hello world.", "en", "pt"), str)


@pytest.mark.parametrize("text", ["Hello </s> world", "__fr__ hello", "a__fr__b <pad>"])
def test_marks_of_the_model_in_a_text_are_text(m2m, work, text, monkeypatch):
    translator = work(Seq2Seq, model=m2m, max_tokens=8)
    seen = []
    generate = translator.model.generate
    monkeypatch.setattr(
        translator.model, "generate", lambda **given: seen.append(given["input_ids"]) or generate(**given)
    )
    translator.run(text, "en", "pt")
    tokens = translator.tokenizer.convert_ids_to_tokens(seen[0][0])
    assert (tokens[0], tokens[-1]) == ("__en__", "</s>")
    assert not {"</s>", "__fr__", "<pad>"} & {*tokens[1:-1]}


def test_a_text_does_not_choose_its_language(marian, work):
    translator = work(Seq2Seq, model=marian, max_tokens=8)
    assert translator.tokenizer(">>fr<< hello")["input_ids"][0] == translator.tokenizer.unk_token_id  # taken as a mark
    pieces = translator.tokenizer.tokenize(_plain(">>fr<< hello"))
    assert "".join(pieces).replace("▁", " ").split() == [">>fr<<", "hello"]
    assert pieces[0] != ">>fr<<"


def test_a_translation_that_is_cut_off_counts_as_cut(marian, work):
    translator = work(Seq2Seq, model=marian, max_tokens=2, beam_size=1)
    translator.run("Hello world. The cat is on the sofa.", "en", "pt")
    assert vars(translator)["_measured"] == [{"cut": 2}]


@pytest.mark.parametrize(
    ("target", "known", "expected"),
    [
        ("zh-TW", ["zho_Hans", "zho_Hant"], "zho_Hant"),
        ("zh", ["zho_Hant", "zho_Hans"], "zho_Hans"),
        ("sr-Latn", ["srp_Cyrl", "srp_Latn"], "srp_Latn"),
        ("sr", ["srp_Latn"], "srp_Latn"),
        ("ar", ["arb_Latn", "arb_Arab"], "arb_Arab"),
        ("nb", ["nno_Latn", "nob_Latn"], "nob_Latn"),
        ("ko", ["kor_Hang"], "kor_Hang"),
        ("fil", ["tgl_Latn"], "tgl_Latn"),
    ],
)
def test_the_script_that_is_asked_for_is_taken(target, known, expected):
    tags = Tags("it", {code: code for code in known}, (None, None))
    assert tags._code(target) == expected


def test_another_script_than_the_one_asked_for_is_refused():
    with pytest.raises(InputError, match="does not speak 'zh-Hant'"):
        Tags("it", {"zh": "__zh__"}, (None, None))._code("zh-Hant")


def test_an_unknown_language_is_named_with_those_it_speaks(m2m, work):
    with pytest.raises(InputError, match=r"does not speak 'tlh'; it speaks .*pt"):
        work(Seq2Seq, model=m2m).run("Hello", "en", "tlh")


def test_nothing_and_the_same_language_need_no_model(marian, work):
    translator = work(Seq2Seq, model=marian)
    assert translator.run(" ", "en", "pt") == ""
    assert translator.run("Olá", "pt", "pt-BR") == "Olá"


def test_absent_weights_say_where_they_were_looked_for(work, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=rf"nobody/nothing.*looked in {tmp_path}"):
        work(Seq2Seq, model="nobody/nothing")
