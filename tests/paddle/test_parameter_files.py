"""Files of Paddle 1.8.5 and 3.3.1 are read, and what is written is read by Python's own pickle."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitlab.errors import ModelError
from digitlab.paddle import parameter_files
from digitlab.paddle.parameter_files import NAME_TABLE, load, save

DATA = Path(__file__).parent / "data"
STATE = {
    "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.array([[0.5, 1.5]], np.float16),
    "double": np.array([1e300]),
    "counts": np.array([-1, 2**40], np.int64),
    "truths": np.array([True, False]),
    "alone": np.array(3, np.float32),
    "none": np.zeros((0, 3), np.float32),
}


def _saved(name: str) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(DATA / f"{name}.npz") as arrays:
        return dict(arrays)


def _assert_same(state: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(state) == list(expected)
    for name, array in expected.items():
        assert (state[name].dtype, state[name].shape) == (array.dtype, array.shape), name
        assert state[name].tobytes() == array.tobytes(), name
        assert state[name].flags.writeable
        assert state[name].flags.c_contiguous


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_parameters_of_paddle_3_are_read(protocol: int) -> None:
    _assert_same(load(DATA / f"state-{protocol}.pdparams"), _saved("state"))


def test_an_optimizer_of_paddle_3_is_read() -> None:
    state = load(DATA / "adam.pdopt")
    assert state.pop("LR_Scheduler") == {"last_epoch": 1, "last_lr": 0.01}
    _assert_same(state, _saved("adam"))


@pytest.mark.parametrize("protocol", [2, 4])
def test_several_states_in_one_file_are_read(protocol: int) -> None:
    state = load(DATA / f"nested-{protocol}.pdparams")
    assert (state["epoch"], state["note"]) == (100, "the first")
    _assert_same(state["model"], _saved("state"))
    assert state["opt"].pop("LR_Scheduler") == {"last_epoch": 1, "last_lr": 0.01}
    _assert_same(state["opt"], _saved("adam"))


def test_every_type_of_paddle_is_read() -> None:
    state = load(DATA / "types.pdparams")
    _assert_same(state, _saved("types"))
    assert state["bfloat16"].dtype == np.uint16


def test_parameters_and_optimizer_of_paddle_1_are_read() -> None:
    network, adam = load(DATA / "1.8.5.pdparams"), load(DATA / "1.8.5.pdopt")
    assert adam.pop("LR_Scheduler") == {"step_num": 1}
    _assert_same({**network, **adam}, _saved("1.8.5"))


def test_the_table_of_names_is_there_where_it_is_asked_for() -> None:
    state = load(DATA / "1.8.5.pdparams", keep_name_table=True)
    assert state[NAME_TABLE]["fc2.weight"] == "linear_1.w_0"


def test_what_python_2_wrote_is_read(tmp_path: Path) -> None:
    # Text is bytes there, and a short one has an instruction of its own.
    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\x01btR(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02f4K\0K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\0tb\x89" + text(struct.pack("<2f", 1.5, -2e10)) + b"tb"
    )
    path = tmp_path / "old.pdparams"
    ordered = b"ccollections\nOrderedDict\n](](" + text(b"fc.weight") + array + b"ee\x85R"
    path.write_bytes(b"\x80\x02" + ordered + b".")
    assert pickle.loads(path.read_bytes(), encoding="latin1").keys() == {"fc.weight"}
    _assert_same(load(path), {"fc.weight": np.array([1.5, -2e10], np.float32)})


def test_big_endian_and_column_major_arrays_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    odd = {"big": values.astype(">f4"), "columns": np.asfortranarray(values)}
    path.write_bytes(pickle.dumps({**odd, "number": np.float32(1.5)}, 2))
    state = load(path)
    assert state.pop("number") == 1.5
    _assert_same(state, dict.fromkeys(odd, values))


def _sliced(parts: Any, shape: Any = (2, 3), **others: Any) -> bytes:
    about = {"w": {"OriginShape": shape, "slices": parts}}
    slices = {"w@@.0": np.arange(4.0), "w@@.1": np.arange(4.0, 6.0)}
    return pickle.dumps({**slices, **others, "UnpackBigParamInfor@@": about}, 2)


def test_slices_of_a_large_array_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    path.write_bytes(_sliced(["w@@.0", "w@@.1"]))
    _assert_same(load(path), {"w": np.arange(6.0).reshape(2, 3)})


@pytest.mark.parametrize(
    "content",
    [
        _sliced(["w@@.0", "w@@.0"], (2, 4)),
        _sliced(["w@@.0"]),
        _sliced([]),
        _sliced(["w@@.0", "nothing"]),
        _sliced(["w@@.0", "w@@.1"], (-2, -3)),
        _sliced(["w@@.0", "w@@.1"], "6"),
        _sliced("w@@.0"),
        _sliced(["w@@.0", 1]),
        _sliced(["w@@.0", "w@@.1"], w=np.zeros(6)),
        _sliced(["w@@.0", "w@@.2"], **{"w@@.2": np.arange(2)}),
    ],
)
def test_slices_that_do_not_fit_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="slices"):
        load(path)


@pytest.mark.parametrize("format", [1, 2])
def test_what_is_written_is_read_here_and_by_python(format: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pdparams"
    about = {"last_epoch": 3, "last_lr": 0.1, "large": -(2**40), "none": None, "list": [1, (2,)]}
    save({**STATE, "LR_Scheduler": about}, path, format, {"fc.weight": "linear_0.w_0"})
    state = load(path, keep_name_table=True)
    names = {name: name for name in STATE} | {"fc.weight": "linear_0.w_0"}
    assert state.pop(NAME_TABLE) == names
    assert state.pop("LR_Scheduler") == about
    _assert_same(state, STATE)
    plain = pickle.loads(path.read_bytes())
    assert (plain.pop(NAME_TABLE), plain.pop("LR_Scheduler")) == (names, about)
    for name, array in STATE.items():
        np.testing.assert_array_equal(plain[name], array, strict=True)


def test_an_array_is_written_in_any_order_of_its_bytes(tmp_path: Path) -> None:
    save({"a": np.arange(6, dtype=">f4").reshape(2, 3).T}, tmp_path / "a.pdparams")
    expected = np.arange(6, dtype=np.float32).reshape(2, 3).T.copy()
    _assert_same(load(tmp_path / "a.pdparams"), {"a": expected})


def test_format_1_has_only_what_python_2_and_the_numpy_of_its_time_know(tmp_path: Path) -> None:
    save(STATE, tmp_path / "a.pdparams")
    content = (tmp_path / "a.pdparams").read_bytes()
    instructions = list(pickletools.genops(content))
    assert max(instruction.proto for instruction, _, _ in instructions) == 2
    names = {argument for one, argument, _ in instructions if one.name == "GLOBAL"}
    assert names == {
        "numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype", "_codecs encode",
    }  # fmt: skip


def test_what_cannot_be_written_is_refused_and_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pdparams"
    path.write_bytes(b"earlier")
    monkeypatch.setattr(parameter_files, "_LONGEST_SLICE", 20)
    endless: dict[str, Any] = {}
    endless["itself"] = endless
    for state, format, reason in [
        (STATE, 3, "no format 3"),
        (STATE, 1, "fc.weight has 1 GB or more; format 2 can hold it"),
        ({"a": np.array(["text"])}, 2, "array of <U4"),
        ({"a": np.array([None])}, 2, "array of object"),
        ({"a": io.BytesIO()}, 2, "BytesIO"),
        ({"a": {1: 2}}, 2, "a key that is int"),
        ({"a": endless}, 2, "cannot be written"),
    ]:
        with pytest.raises(ModelError, match=reason) as refused:
            save(state, path, format)
        assert len(str(refused.value).splitlines()) == 1
    assert path.read_bytes() == b"earlier"
    with pytest.raises(ModelError, match="cannot be written"):
        save(STATE, tmp_path / "nowhere" / "a.pdparams", 2)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tensor.pdparams", "holds a single array; expected a state_dict"),
        ("binary.pdparams", "binary format"),
        ("types.npz", "is a zip"),
        ("types", r"did you mean .*types\.pdparams\?"),
        ("nowhere", "there is no such file"),
        ("", "is a folder"),
    ],
)
def test_another_file_is_named_for_what_it_is(name: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as refused:
        load(DATA / name)
    assert str(refused.value).startswith(str(DATA / name))


def test_a_file_that_is_too_large_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameter_files, "MAX_BYTES", 1 << 20)
    path = tmp_path / "large.pdparams"
    path.write_bytes(b"\x80\x02" + bytes(1 << 20))
    with pytest.raises(ModelError, match="is larger than 1 MB"):
        load(path)
