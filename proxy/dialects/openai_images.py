"""OpenAI's images: a prompt goes in, with images to edit or without; images come out, and the prompt as the model rewrote it."""

from __future__ import annotations

from proxy.dialects.base import Json, Reading
from proxy.dialects.openai_shape import OpenAIShape, answer_of, read_uploads, request_of
from proxy.dialects.values import read_field
from proxy.errors import BackendBroken, RequestError

STREAMED = "images are not streamed here: leave stream out"
SAID = ("prompt", "negative_prompt", "user")
PLAIN = (
    "model stream n size quality style response_format background moderation output_format partial_images "
    "output_compression input_fidelity image image[] mask".split()
)
REQUEST_FIELDS = frozenset((*SAID, *PLAIN))
ANSWER_FIELDS = frozenset("created data usage background output_format quality size id model object".split())
IMAGE_FIELDS = frozenset(("b64_json", "url", "revised_prompt"))


class OpenAIImages(OpenAIShape):
    """The dialect; it has no state. What an image shows is not read: each is counted."""

    name = "openai-images"
    path = "/v1/images/generations"

    def read(self, payload: object) -> Reading:
        """The prompt. Raises RequestError."""
        reading = request_of(payload)
        if reading.stream:
            raise RequestError(STREAMED, param="stream")
        read_prompt(reading)
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The prompts as the model rewrote them. Raises BackendBroken."""
        reading, images = answer_of(payload, "data", "list of images")
        for index, image in enumerate(images):
            if not isinstance(image, dict):
                raise BackendBroken("the backend's answer has an image that is no object")
            reading.skip("image")
            if image.get("revised_prompt") is not None:
                reading.add(image, "revised_prompt", "assistant", f"data[{index}].revised_prompt")
            reading.rest(image, IMAGE_FIELDS, "assistant", f"data[{index}]")
        reading.rest(reading.payload, ANSWER_FIELDS, "assistant")
        return reading

    def refuse(self, payload: Json, message: str) -> None:
        """There is no word for it in this API: it becomes an error."""


class OpenAIEdits(OpenAIImages):
    """Edits: a form with images, which are counted, and the prompt that says what becomes of them."""

    name = "openai-edits"
    path = "/v1/images/edits"
    form = True

    def read(self, payload: object) -> Reading:
        """The prompt. Raises RequestError."""
        asked = payload if isinstance(payload, dict) else {}
        reading = request_of({"model": asked.get("model")})
        reading.payload = asked
        if asked.get("stream") not in (None, "", "false", "False"):
            raise RequestError(STREAMED, param="stream")
        read_uploads(reading, asked, "image")
        read_prompt(reading)
        return reading


def read_prompt(reading: Reading) -> None:
    """The prompt, and what stands beside it. Raises RequestError."""
    payload = reading.payload
    if not isinstance(payload.get("prompt"), str):
        raise RequestError("prompt must be text", param="prompt")
    for key in SAID:
        read_field(reading, payload, key, "user")
    reading.rest(payload, REQUEST_FIELDS, "user")
