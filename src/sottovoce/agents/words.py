"""An answer as a sentence for a language model."""

from sottovoce.results import Prediction


def sentence(prediction: Prediction) -> str:
    """How a voice sounds and how sure that is, or why nobody knows.

    >>> sentence(Prediction(status="ok", model="m", emotion="sad", confidence=0.62))
    'The voice sounds sad (62% sure).'
    """
    if prediction.confidence is None:
        return prediction.message or prediction.words
    return f"The voice sounds {prediction.words} ({prediction.confidence:.0%} sure)."
