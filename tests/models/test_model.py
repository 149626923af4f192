"""Opening a model, and predicting one recording with it."""

import io
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from onnx import TensorProto, helper
from tiny_model import LABELS, RATE, VOICE, tiny_card, tiny_graph, write_tiny

from sottovoce.audio import Audio
from sottovoce.errors import AudioError, ModelError, SottovoceError
from sottovoce.inference.window import pieces
from sottovoce.models.card import WindowPolicy
from sottovoce.models.model import Model
from sottovoce.models.network import NetworkOnDemand
from sottovoce.options import GateOptions
from sottovoce.results import Status
from sottovoce.vad.gate import Gate


@pytest.fixture(scope="module")
def voice():
    return VOICE


def refusal(path) -> str:
    with pytest.raises(ModelError) as refused:
        Model.open(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


# -- opening ---------------------------------------------------------------------------------------


def test_a_model_knows_its_card_and_labels(model):
    assert model.card == tiny_card()
    assert model.labels == LABELS
    assert repr(model) == "<Model tiny 1.0: neutral, happy, sad, angry>"


def test_a_network_on_demand_is_opened_by_its_first_run_and_says_the_same(tiny, model, voice):
    network = NetworkOnDemand(tiny)
    assert (network.card, network.digest) == (model.card, model.digest)
    assert Model(network).predict(voice) == model.predict(voice)


def test_a_network_on_demand_whose_file_was_replaced_is_refused(tmp_path, voice):
    path = write_tiny(tmp_path / "m.onnx")
    waiting = Model(NetworkOnDemand(path))
    write_tiny(path, card=tiny_card(version="2.0"))
    with pytest.raises(ModelError, match="another file now; start again"):
        waiting.predict(voice)


def test_labels_that_do_not_match_the_output_are_refused(tmp_path):
    path = write_tiny(tmp_path / "m.onnx", card=tiny_card(labels=("happy", "sad", "angry")))
    message = refusal(path)
    assert "[batch, 4]" in re.sub("'", "", message)
    assert "3 classes" in message


def test_labels_that_do_not_match_an_output_of_unsaid_width_are_refused(tmp_path):
    def hide_width(model):
        model.graph.node[-1].output[0] = "all"
        model.graph.node.extend(
            [
                helper.make_node("Shape", ["waveform"], ["end"]),
                helper.make_node("Slice", ["all", "start", "end"], ["probabilities"]),
            ]
        )
        model.graph.initializer.append(helper.make_tensor("start", TensorProto.INT64, [2], [0, 0]))
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "classes"

    card = tiny_card(labels=("happy", "sad", "angry"))
    path = write_tiny(tmp_path / "m.onnx", card=card, change=hide_width)
    assert "(2, 4) for 2 clips; expected (2, 3)" in refusal(path)


@pytest.mark.parametrize(("end", "wrong"), [("input", "audio"), ("output", "scores")])
def test_an_input_or_output_of_another_name_is_refused(tmp_path, end, wrong):
    def rename(model):
        value = getattr(model.graph, end)[0]
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [wrong if name == value.name else name for name in names]
        value.name = wrong

    message = refusal(write_tiny(tmp_path / "m.onnx", change=rename))
    assert f"its {end} is {wrong} tensor(float)" in message


def test_an_output_of_another_type_is_refused(tmp_path):
    def cast(model):
        model.graph.node[-1].output[0] = "single"
        model.graph.node.append(
            helper.make_node("Cast", ["single"], ["probabilities"], to=TensorProto.DOUBLE)
        )
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE

    assert "tensor(double)" in refusal(write_tiny(tmp_path / "m.onnx", change=cast))


def test_a_second_output_is_refused(tmp_path):
    def add(model):
        model.graph.output.append(
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])
        )

    assert "logits" in refusal(write_tiny(tmp_path / "m.onnx", change=add))


def test_an_input_of_fixed_length_is_refused(tmp_path):
    def fix(model):
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8000

    assert "any number of samples" in refusal(write_tiny(tmp_path / "m.onnx", change=fix))


def test_outputs_that_are_no_probabilities_are_refused(tmp_path):
    def drop_softmax(model):
        model.graph.node[-1].op_type = "Identity"
        model.graph.node[-1].ClearField("attribute")

    message = refusal(write_tiny(tmp_path / "m.onnx", change=drop_softmax))
    assert "no probabilities" in message


def test_a_graph_that_the_runtime_does_not_take_is_refused(tmp_path):
    def rename(model):
        model.graph.node[0].op_type = "Gemm"

    assert "Gemm" in refusal(write_tiny(tmp_path / "m.onnx", change=rename))


def test_a_card_that_is_refused_is_refused_with_the_file_s_name(tmp_path):
    assert "not valid JSON" in refusal(write_tiny(tmp_path / "m.onnx", card="{"))


def test_a_refused_file_leaves_nothing_on_the_terminal(tmp_path, capfd):
    def rename(model):
        model.graph.node[0].op_type = "Gemm"

    refusal(write_tiny(tmp_path / "m.onnx", change=rename))
    assert capfd.readouterr() == ("", "")


def test_threads_are_at_least_one(tmp_path):
    with pytest.raises(SottovoceError, match="threads is 0"):
        Model.open(write_tiny(tmp_path / "m.onnx"), threads=0)


# -- predicting ------------------------------------------------------------------------------------


def test_a_prediction_is_what_the_network_says_of_the_pieces(model, voice):
    prediction = model.predict(voice)
    audio = Audio.read(voice, sample_rate=RATE)
    (piece,) = pieces(audio, model.card.window, Gate().check(audio).extent)
    expected = model.probabilities(piece[None])[0]
    assert prediction.status is Status.OK
    assert prediction.emotion == LABELS[expected.argmax()]
    assert list(prediction.probabilities) == list(LABELS)
    np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-6)
    assert prediction.confidence == max(prediction.probabilities.values())
    assert prediction.duration == pytest.approx(audio.duration)
    assert prediction.source == str(voice)
    assert prediction.model == "tiny 1.0"
    assert prediction.message == ""


def test_pieces_count_in_proportion_to_their_length(voice, tmp_path):
    window = WindowPolicy(trim="none", margin=0, grid=0.25, min=0.5, max=1.0)
    split = Model.open(write_tiny(tmp_path / "m.onnx", card=tiny_card(window=window)))
    audio = Audio.read(voice, sample_rate=RATE)
    cut = pieces(audio, window, None)
    assert len({len(piece) for piece in cut}) == 2
    seconds = [len(piece) / RATE for piece in cut]
    rows = [split.probabilities(piece[None])[0] for piece in cut]
    expected = sum(s * r for s, r in zip(seconds, rows, strict=True)) / sum(seconds)
    found = split.predict(audio).probabilities
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-6)


def test_every_kind_of_source_gives_the_same_answer(model, voice):
    samples, rate = soundfile.read(voice, dtype="float32")
    data = voice.read_bytes()
    sources = [voice, str(voice), data, io.BytesIO(data), (samples, rate), Audio(samples, rate)]
    answers = [model.predict(source).probabilities for source in sources]
    assert all(answer == pytest.approx(answers[0], abs=1e-6) for answer in answers)


def test_silence_has_no_emotion(model):
    prediction = model.predict((np.zeros(2 * RATE, np.float32), RATE))
    assert prediction.status is Status.SILENCE
    assert prediction.emotion is prediction.confidence is None
    assert prediction.probabilities == {}
    assert prediction.duration == 2
    assert prediction.message == "the recording is silent"


def test_what_is_too_short_is_told_the_length_that_is_needed(model, voice):
    prediction = model.predict(voice, gate=GateOptions(min_duration=20))
    assert prediction.status is Status.TOO_SHORT
    assert "20 s" in prediction.message


def test_an_unsure_answer_is_uncertain_and_still_carries_its_numbers(model, voice):
    sure = model.predict(voice, min_confidence=0)
    unsure = model.predict(voice, min_confidence=1)
    assert (sure.status, unsure.status) == (Status.OK, Status.UNCERTAIN)
    assert unsure.probabilities == sure.probabilities
    assert unsure.emotion == sure.emotion
    assert unsure.message


def test_the_card_s_own_threshold_holds_unless_another_is_given(tmp_path, voice):
    strict = Model.open(write_tiny(tmp_path / "m.onnx", card=tiny_card(min_confidence=1.0)))
    assert strict.predict(voice).status is Status.UNCERTAIN
    assert strict.predict(voice, min_confidence=0.1).status is Status.OK


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(model, voice, threshold):
    with pytest.raises(SottovoceError, match="min_confidence"):
        model.predict(voice, min_confidence=threshold)
    with pytest.raises(SottovoceError, match="min_confidence"):
        model.predict_many([voice], min_confidence=threshold)


def test_a_source_that_cannot_be_read_raises(model):
    with pytest.raises(AudioError):
        model.predict(b"no recording")


def test_samples_that_were_never_scaled_raise(model, voice):
    samples, rate = soundfile.read(voice, dtype="float32")
    with pytest.raises(AudioError, match=r"samples reach 3\.\d+e\+04; scale them to -1\.\.1"):
        model.predict((samples * 32768 / abs(samples).max(), rate))


def test_a_recording_somewhat_over_full_scale_is_judged(model, voice):
    samples, rate = soundfile.read(voice, dtype="float32")
    assert model.predict((4 * samples, rate)).status is Status.OK


def test_an_answer_that_is_no_number_is_an_error(voice, tmp_path):
    """A model that breaks on digital zeros, which the noise it is tried on does not show."""

    def lower_the_floor(model):
        (floor,) = (tensor for tensor in model.graph.initializer if tensor.name == "floor")
        floor.raw_data = np.float32(0).tobytes()

    window = WindowPolicy(trim="none", margin=0, grid=0.25, min=0.5, max=1.0)
    card = tiny_card(window=window)
    broken = Model.open(write_tiny(tmp_path / "m.onnx", card=card, change=lower_the_floor))
    samples = Audio.read(voice, sample_rate=RATE).samples[0]
    source = np.pad(samples, (0, 4 * RATE)), RATE
    with pytest.raises(AudioError, match="not a number"):
        broken.predict(source)
    bad, good = broken.predict_many([source, voice])
    assert (bad.status, good.status) == (Status.ERROR, Status.OK)
    assert bad.probabilities == {}


def test_a_batch_that_the_network_cannot_take_is_one_line(model):
    with pytest.raises(ModelError, match=r"cannot run on a batch of \(3,\)"):
        model.probabilities(np.zeros(3, np.float32))


def test_one_model_serves_many_threads_at_once(model):
    generator = np.random.default_rng(1)
    batches = [generator.normal(size=(2, 4000 + 100 * i)).astype(np.float32) for i in range(40)]
    alone = [model.probabilities(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(model.probabilities, batches))
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first, second)


def test_threads_within_a_run_do_not_change_the_answer(model, voice, tmp_path):
    two = Model.open(write_tiny(tmp_path / "m.onnx"), threads=2)
    assert two.predict(voice).probabilities == pytest.approx(model.predict(voice).probabilities)


def test_the_stand_in_model_tells_recordings_apart(model, voice):
    """The tests above would be idle if it gave one answer to everything."""
    quiet = Audio.read(voice).samples * np.float32(0.05)
    loud = model.predict(voice).probabilities
    assert model.predict((quiet, Audio.read(voice).sample_rate)).probabilities != pytest.approx(
        loud
    )


def test_the_graph_takes_any_length(model):
    assert tiny_graph().graph.input[0].name == "waveform"
    for samples in (RATE // 2, RATE, 30 * RATE):
        assert model.probabilities(np.zeros((1, samples), np.float32)).shape == (1, 4)
