"""Writes tokens.json and prompts.json: what the reference implementations make of texts and conversations.

    python3 -m venv venv && venv/bin/pip install "mistral-common[sentencepiece]==1.8.8" sentencepiece==0.2.1
    venv/bin/python test/model/reference/make-reference.py && npx prettier --write test/model/reference

tokens.json holds SentencePiece's own encoding with the vocabulary of Mistral-7B v0.1 and v0.2, without BOS. SentencePiece
never makes a control token out of text.

prompts.json holds the encoding of Mistral AI's tokenizer (mistral-common, tokenizer v1), which is how the model was
trained. What it does, and where the chat template published with Mistral-7B-Instruct-v0.2 does otherwise:

- Each message is encoded on its own: BOS, then `[INST] user [/INST]`, then `answer` and EOS, and so on. SentencePiece
  puts a space in front of every text it encodes, so there is a space between `[/INST]` and the answer and none between
  EOS and `[INST]` but that same one: `<s>[INST] user [/INST] answer</s>[INST] user [/INST]`. Encoding that whole text,
  with control tokens parsed and a space put in front of every piece of text between them, gives the same tokens; this
  program checks it for each conversation. The published template writes `[/INST]answer</s>`, without the space, which
  gives other tokens for the answer's beginning than the model was trained on and than it generates itself; the rest
  agrees. This program checks that too: given answers with a space in front, the template writes that very text.
- The published template raises an exception on system messages and on roles that do not alternate. mistral-common joins
  the texts of all system messages that are not empty with "\\n\\n", wherever they stand, and puts the result and "\\n\\n"
  in front of the first user message's text. Consecutive messages of one role are joined with "\\n\\n", empty ones
  included. Where the first message is an answer, or there are only system messages, an empty user message precedes it.
- Nothing is trimmed: `[INST] ` and ` [/INST]` come around the text as it is, and an answer that begins with a space has
  two behind `[/INST]`.
- Control tokens written in a message are plain text. Encoding the template's text with control tokens parsed would make
  them control tokens: these conversations are a group of their own, left out of the check of the text's tokens.
- mistral-common's validator wants the last message to be the user's. Conversations that end with an answer are encoded
  without it here, as the normalizer and the encoder take them; all others pass it.
- The validator refuses empty answers and system messages behind an answer. A system message between two user messages
  keeps the normalizer from joining these, so that it writes `[INST] a [/INST] [INST] b [/INST]`, a sequence that no
  training conversation has. Such conversations are in `unsettled` without tokens: they must be rendered with all of
  their texts, and that is all.
"""

import importlib.metadata
import json
import re
import sys
import warnings
from pathlib import Path

import jinja2
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.normalize import InstructRequestNormalizer
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.validator import MistralRequestValidator
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

from conversations import GROUPS, UNSETTLED
from corpus import CORPUS

warnings.simplefilter("ignore", FutureWarning)

FOLDER = Path(__file__).parent
VERSIONS = {name: importlib.metadata.version(name) for name in ("mistral-common", "sentencepiece")}
INSTRUCT = MistralTokenizer.v1().instruct_tokenizer
NORMALIZER = InstructRequestNormalizer.normalizer()
SENTENCEPIECE = INSTRUCT.tokenizer._model
CONTROL = {"<unk>": 0, "<s>": 1, "</s>": 2}

PUBLISHED_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)


def compress(tokens: list[int]) -> list:
    """Writes a run of equal sequences, which a repeated text gives, as {"repeat": [...], "times": n}."""
    for start in range(min(len(tokens), 16)):
        for period in range(1, min(len(tokens) // 4, 600)):
            cycle = tokens[start : start + period]
            times = 1
            while tokens[start + times * period : start + (times + 1) * period] == cycle:
                times += 1
            if times * period > 0.8 * len(tokens) and times > 3:
                rest = tokens[start + times * period :]
                return [*tokens[:start], {"repeat": cycle, "times": times}, *rest]
    return tokens


def token_cases(texts: list) -> list[dict]:
    cases = []
    for entry in texts:
        text, times = (entry, 1) if isinstance(entry, str) else entry
        tokens = SENTENCEPIECE.encode(text * times)
        source = {"text": text} if times == 1 else {"repeat": text, "times": times}
        cases.append({**source, "tokens": compress(tokens) if len(tokens) > 200 else tokens})
    return cases


def normalized(messages: list[tuple[str, str]]):
    kinds = {"system": SystemMessage, "user": UserMessage, "assistant": AssistantMessage}
    request = ChatCompletionRequest(messages=[kinds[role](content=content) for role, content in messages])
    if messages[-1][0] != "assistant":
        MistralRequestValidator().validate_request(request)
    return NORMALIZER.from_chat_completion_request(request)


def text_of(request) -> str:
    """The whole prompt as one text."""
    text = "<s>"
    system = f"{request.system_prompt}\n\n" if request.system_prompt else ""
    for message in request.messages:
        if isinstance(message, UserMessage):
            text += f"[INST] {system}{message.content} [/INST]"
            system = ""
        else:
            text += f" {message.content}</s>"
    return text


def published(request) -> str:
    """What the published template makes of the conversation in a form that it accepts, with a space before answers."""

    def fail(message: str):
        raise ValueError(message)

    messages = [
        {"role": message.role, "content": f" {message.content}" if message.role == "assistant" else message.content}
        for message in request.messages
    ]
    if request.system_prompt:
        messages[0]["content"] = f"{request.system_prompt}\n\n{messages[0]['content']}"
    template = jinja2.Environment().from_string(PUBLISHED_TEMPLATE)
    return template.render(messages=messages, bos_token="<s>", eos_token="</s>", raise_exception=fail)


def encode(text: str) -> list[int]:
    """Encodes a text with control tokens in it, each piece between them on its own."""
    pieces = re.split("(<unk>|<s>|</s>)", text)
    return [token for piece in pieces if piece for token in ([CONTROL[piece]] if piece in CONTROL else SENTENCEPIECE.encode(piece))]


def prompt_case(name: str, messages: list[tuple[str, str]], plain: bool) -> dict:
    request = normalized(messages)
    tokens = INSTRUCT.encode_instruct(request).tokens
    text = text_of(request)
    assert published(request) == text, name
    assert not plain or encode(text) == tokens, name
    return {"name": name, "messages": as_objects(messages), "text": text, "tokens": tokens}


def as_objects(messages: list[tuple[str, str]]) -> list[dict]:
    return [{"role": role, "content": content} for role, content in messages]


def write(name: str, content: dict) -> None:
    path = FOLDER / name
    path.write_text(json.dumps(content, ensure_ascii=True), encoding="ascii")
    print(f"{path}: {path.stat().st_size} bytes", file=sys.stderr)


write("tokens.json", {
    "reference": VERSIONS,
    "categories": [{"name": name, "cases": token_cases(texts)} for name, texts in CORPUS.items()],
})
write("prompts.json", {
    "reference": VERSIONS,
    "groups": [
        {"name": group, "cases": [prompt_case(name, messages, "special" not in group) for name, messages in cases]}
        for group, cases in GROUPS.items()
    ],
    "unsettled": [{"name": name, "messages": as_objects(messages)} for name, messages in UNSETTLED],
})
