"""tts.vits through the real classes, on a tiny random checkpoint built here."""

import json

import numpy as np
import pytest

from nodes.tts.vits import Vits
from studio import InputError

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A VITS of a few thousand weights: it hums, but it takes the whole path."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("vits")
    letters = {letter: number for number, letter in enumerate("_ abcdefghijklmnopqrstuvwxyz',.?!")}
    (folder / "letters.json").write_text(json.dumps(letters))
    tokenizer = transformers.VitsTokenizer(
        str(folder / "letters.json"), pad_token="_", unk_token="_", language="eng", phonemize=False, is_uroman=False
    )
    twos = ["num_hidden_layers", "num_attention_heads", "prior_encoder_num_flows", "depth_separable_num_layers"]
    wide = ["hidden_size", "ffn_dim", "flow_size", "upsample_initial_channel", "duration_predictor_filter_channels"]
    config = transformers.VitsConfig(
        vocab_size=len(letters),
        **dict.fromkeys(twos, 2),
        **dict.fromkeys(wide, 32),
        prior_encoder_num_wavenet_layers=2,
        posterior_encoder_num_wavenet_layers=2,
        spectrogram_bins=33,
        depth_separable_channels=2,
        duration_predictor_num_flows=2,
        upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
    )
    torch.manual_seed(0)
    transformers.VitsModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_speaks(checkpoint, work):
    spoken = work(Vits, model=checkpoint).run("Hello there. How are you?", "en")
    assert spoken.rate == 16_000
    assert spoken.seconds > 0.1
    assert spoken.samples.any()


def test_a_seed_is_a_reading(checkpoint, work):
    first, again, other = (
        work(Vits, model=checkpoint, seed=seed).run("Hello there.", "en").samples for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_nothing_is_a_short_silence(checkpoint, work):
    spoken = work(Vits, model=checkpoint).run("", "en")
    assert spoken.seconds > 0
    assert not spoken.samples.any()


def test_another_language_is_refused(checkpoint, work):
    with pytest.raises(InputError, match="speaks en, not 'pt'"):
        work(Vits, model=checkpoint).run("Olá", "pt")


def test_weights_are_identified_by_content(checkpoint):
    assert Vits.identity(Vits.Config(model=checkpoint), lambda path: f"digest of {path.name}") == {
        "content": f"digest of {checkpoint.rsplit('/', 1)[-1]}"
    }


def test_digits_that_the_voice_does_not_know_are_named(checkpoint, work, capsys):
    voice = work(Vits, model=checkpoint)
    voice.run("hello ४७", "en")
    assert "the voice cannot speak ४ ७" in capsys.readouterr().out


def test_letters_that_the_voice_does_not_know_are_named(checkpoint, work, capsys):
    voice = work(Vits, model=checkpoint)
    assert voice.run("Héllo п п wörld", "en").samples.any()
    assert "the voice cannot speak é п ö: 4 letters were left out" in capsys.readouterr().out
    assert vars(voice)["_measured"] == [{"unspoken": 4}]


def test_what_is_no_writing_is_not_read(checkpoint, work, capsys):
    voice = work(Vits, model=checkpoint)
    odd, plain = (voice.run(text, "en").samples for text in ("hel\u200blo\0there\u202e", "hello there"))
    assert np.array_equal(odd, plain)
    assert capsys.readouterr().out == ""
