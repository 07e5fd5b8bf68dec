"""JSON records, streamed: whatever the layout and wherever a file is read to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch import DatasetError, json_records
from asyncsearch.json_records import is_json_list, read_json_records

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
RECORDS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), min_size=1, max_size=5)


@given(
    records=RECORDS,
    indent=st.sampled_from([None, 4]),
    as_list=st.booleans(),
    ascii_only=st.booleans(),
    at_a_time=st.integers(1, 40),
)
def test_any_layout_gives_the_same_records(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[dict[str, Any]],
    indent: int | None,
    as_list: bool,
    ascii_only: bool,
    at_a_time: int,
) -> None:
    file = tmp_path_factory.mktemp("records") / "records.json"
    if as_list:
        text = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    else:
        text = "\n".join(json.dumps(record, indent=indent, ensure_ascii=ascii_only) for record in records)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "_AT_A_TIME", at_a_time)
        assert [dict(record.content) for record in read_json_records(file)] == records
    assert is_json_list(file) is as_list


@pytest.mark.parametrize("at_a_time", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no records"),
        (b" \n[ ] \n", "holds no records"),
        (b"null", "record 1, line 1: must be a JSON object"),
        (b'"text"', "record 1, line 1: must be a JSON object"),
        (b"[1, 2]", "record 1, line 1: must be a JSON object"),
        (b"[[{}]]", "record 1, line 1: must be a JSON object"),
        (b'[{"a": 1},\n 2]', "record 2, line 2: must be a JSON object"),
        (b"[{}{}]", "record 2, line 1: must be a JSON object"),
        (b"[{},]", "record 2, line 1: must be a JSON object"),
        (b"{}\n{},{}", "record 3, line 2: must be a JSON object"),
        (b"{}\n\nand more", "record 2, line 3: must be a JSON object"),
        (b"[{}] {}", "record 2, line 1: stands behind the end of the list"),
        (b'[{"a": 1}', "record 2, line 1: the list is cut off"),
        (b'[{"a": 1},\n{"a": [', "record 2, line 2: is cut off in the middle"),
        (b'{"a": "no end', "record 1, line 1: is cut off in the middle"),
        (b'{"a": tru}', "record 1, line 1: not valid JSON: invalid literal"),
        (b'{"a": 1]', "record 1, line 1: not valid JSON"),
        (b"\xff\xfe", "record 1, line 1: must be a JSON object"),
        (b'{"a": "\xff"}', "record 1, line 1: not valid JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "record 1, line 1: not valid JSON"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str, at_a_time: int
) -> None:
    if len(content) > 1000 * at_a_time:
        pytest.skip("a hundred thousand pieces")
    monkeypatch.setattr(json_records, "_AT_A_TIME", at_a_time)
    file = tmp_path / "records.json"
    file.write_bytes(content)
    with pytest.raises(DatasetError) as raised:
        list(read_json_records(file))
    assert str(raised.value).startswith(str(file))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_records_are_there_before_the_file_is_read_to_its_end(tmp_path: Path) -> None:
    """So a file may be larger than memory."""
    file = tmp_path / "records.json"
    file.write_text('[{"a": 1}, {"a": 2}, nonsense')
    records = read_json_records(file)
    assert [next(records).content["a"] for _ in range(2)] == [1, 2]
    with pytest.raises(DatasetError, match="record 3"):
        next(records)


def test_what_python_writes_into_json_is_read(tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text(json.dumps([{"score": float("nan"), "text": "half a \ud83d"}, {"score": float("inf")}]))
    first, second = read_json_records(file)
    assert first.content["score"] != first.content["score"]
    assert first.content["text"] == "half a \ud83d"
    assert second.content["score"] == float("inf")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_bytes(b'\xef\xbb\xbf[{"a": 1}]')
    assert [record.content for record in read_json_records(file)] == [{"a": 1}]
    assert is_json_list(file)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "missing.json", "No such file"), (tmp_path, "Is a directory")):
        for read in (lambda path: list(read_json_records(path)), is_json_list):
            with pytest.raises(DatasetError, match=message):
                read(path)
