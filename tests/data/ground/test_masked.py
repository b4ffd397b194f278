"""What a text holds of passwords, tokens and keys is left out; all else stays to the letter."""

from __future__ import annotations

import pytest

from data.ground.refusal import masked, refusal

HIDDEN = {
    "http://ann:hunter2@tracker:5000/api": "http://ann:***@tracker:5000/api",
    "at 'postgresql+psycopg2://ann:p@ss:w?rd@db/mlflow'": "at 'postgresql+psycopg2://ann:***@db/mlflow'",
    "https://me@firm.org:hunter2@host/w.pt": "https://me@firm.org:***@host/w.pt",
    "ssh://ann:hunter2@host/x": "ssh://ann:***@host/x",
    "http://:hunter2@host and ftp://b:c@d": "http://:***@host and ftp://b:***@d",
    "https://ghp_T0ken@host/w.pt": "https://***@host/w.pt",
    "https://ghp_T0ken:@host/w.pt": "https://***@host/w.pt",
    "https://ghp_T0ken:x-oauth-basic@host/w.pt": "https://***@host/w.pt",
    "git+https://T0ken@host/r": "git+https://***@host/r",
    "https://h/w?token=T0ken&x=1": "https://h/w?token=***&x=1",
    "https://h/w?x=1&api_key=T0ken": "https://h/w?x=1&api_key=***",
    "https://h/w?alt=media&key=AIzaT0ken'": "https://h/w?alt=media&key=***'",
    "https://h/w#access_token=T0ken": "https://h/w#access_token=***",
    "https://h/w?x=1&amp;sig=T0ken": "https://h/w?x=1&amp;sig=***",
    "https://h/w?Signature=s%2Fg&AWSAccessKeyId=AKIA1&Expires=9": (
        "https://h/w?Signature=***&AWSAccessKeyId=***&Expires=9"
    ),
    "https://b.s3/w?X-Amz-Algorithm=A&X-Amz-Credential=AKIA1%2F20&X-Amz-Signature=ab12": (
        "https://b.s3/w?X-Amz-Algorithm=A&X-Amz-Credential=***&X-Amz-Signature=***"
    ),
    "cut: X-Amz-Security-Token=Fwo, X-Goog-Credential=a@b": (
        "cut: X-Amz-Security-Token=***, X-Goog-Credential=***"
    ),
    "AWSAccessKeyId=AKIA1 api_key=T0ken apikey=T0ken OPENAI_API_KEY=T0ken": (
        "AWSAccessKeyId=*** api_key=*** apikey=*** OPENAI_API_KEY=***"
    ),
    "Authorization: Bearer T0ken": "Authorization: Bearer ***",
    "{'authorization': 'Basic YW5uOmh1bnRlcjI='}": "{'authorization': 'Basic ***'}",
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIA1/20, SignedHeaders=a;b, Signature=ab12": (
        "Authorization: AWS4-HMAC-SHA256 ***"
    ),
    "{'X-Auth-Token': 'T0ken', 'X-Api-Key': b'T0ken'}": (
        "{'X-Auth-Token': '***', 'X-Api-Key': b'***'}"
    ),
    "sent as Bearer eyJhbGciOiJIUzI1NiJ9.e30.T0": "sent as Bearer ***",
}  # fmt: skip
HARMLESS = (
    "https://host:5000/a/b@c?x=1&page=2#/runs",
    "http://tracker:5000/#/experiments/1?searchFilter=&orderByKey=attributes.start_time",
    "s3://bucket/prefix/a@b.pt, hf://owner/name/file, models:/pose-coco@champion",
    "ssh://git@host/repository.git and git@host:repository.git, sftp://ann@host/x",
    "detector.onnx#sha256=0123abcd",
    "the tokenizer=word, max_tokens=5, monkey=3, tags.`limber.key` = 'f', metric_key=loss, key=4",
    "Authorization: none is needed; the bearer of this letter; a bearer authentication scheme",
    "a password, a token and a secret: AWS_SECRET_ACCESS_KEY, ~/.netrc, --token",
    "https://host/w.pt?token=",
    "line 3: at 12:30 ann@firm.org wrote",
    '{"uri": "http://host:5000", "mail": "ann@firm.org"}',
)


@pytest.mark.parametrize("text", HIDDEN)
def test_a_secret_is_left_out(text: str) -> None:
    assert masked(text) == HIDDEN[text]
    assert masked(HIDDEN[text]) == HIDDEN[text], "what is masked stays as it is"
    assert str(refusal("a file", fault=text)) == f"a file: {HIDDEN[text]}"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_stays_to_the_letter(text: str) -> None:
    assert masked(text) == text


def test_a_sentence_is_cut_behind_a_secret_that_is_left_out() -> None:
    address = f"https://ann:{'hunter2' * 100}@host/w.pt"
    assert str(refusal(address, given=[address])) == (
        "https://ann:***@host/w.pt: given ['https://ann:***@host/w.pt']"
    )
