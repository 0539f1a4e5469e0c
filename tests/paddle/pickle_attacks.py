"""Pickles that are made to harm whoever loads them, for the tests of parameter files.

The names are those by which pickles are known to run code, the indirect ones that scanners have
missed among them (reports on picklescan, fickling, modelscan). None of them is more than one call
away from writing the file WITNESS, where Python's own pickle would load it.
"""

from __future__ import annotations

import struct

import numpy as np

from digitlab.paddle.pickle_reader import MOST_INSTRUCTIONS

HARM = "touch WITNESS"
_CODE = "open('WITNESS', 'w')"

# Module and name, with what it would be called with.
_CALLS = [
    *[(module, "system", HARM) for module in ("os", "posix", "nt")],
    *[("os", name, HARM) for name in ("popen", "execvp", "spawnlp", "posix_spawn", "remove")],
    *[("subprocess", name, HARM) for name in ("Popen", "run", "call", "getoutput", "check_call")],
    *[(m, n, _CODE) for m in ("builtins", "__builtin__") for n in ("eval", "exec", "compile")],
    *[("builtins", name, "os") for name in ("__import__", "getattr", "open", "globals", "vars")],
    *[("builtins", name, "os") for name in ("map", "type", "setattr", "breakpoint", "bytearray")],
    ("importlib", "import_module", "antigravity"),
    ("importlib._bootstrap", "_gcd_import", "antigravity"),
    ("runpy", "_run_code", _CODE),
    ("runpy", "run_path", "harm.py"),
    ("timeit", "timeit", _CODE),
    ("code", "InteractiveInterpreter", _CODE),
    ("codeop", "compile_command", _CODE),
    ("pty", "spawn", HARM),
    ("bdb", "Bdb.run", _CODE),
    ("pdb", "run", _CODE),
    ("cProfile", "run", _CODE),
    ("profile", "Profile.run", _CODE),
    ("trace", "Trace.run", _CODE),
    ("doctest", "debug_script", _CODE),
    ("idlelib.run", "Executive.runcode", _CODE),
    ("ensurepip", "_run_pip", HARM),
    ("pip", "main", "install"),
    ("pip._internal", "main", "install"),
    ("venv", "create", "WITNESS"),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start", HARM),
    ("test.support.script_helper", "assert_python_ok", HARM),
    ("distutils.file_util", "write_file", "WITNESS"),
    ("lib2to3.pgen2.grammar", "Grammar.loads", "x"),
    ("logging.config", "_resolve", "os.system"),
    ("pydoc", "locate", "os.system"),
    ("pkgutil", "resolve_name", "os:system"),
    ("operator", "attrgetter", "system"),
    ("operator", "methodcaller", "system"),
    ("_operator", "attrgetter", "system"),
    ("functools", "partial", HARM),
    ("functools", "reduce", HARM),
    ("types", "FunctionType", _CODE),
    ("types", "CodeType", _CODE),
    ("marshal", "loads", "x"),
    ("pickle", "loads", "x"),
    ("_pickle", "loads", "x"),
    ("dill", "loads", "x"),
    ("cloudpickle", "loads", "x"),
    ("joblib", "load", "x"),
    ("joblib.numpy_pickle", "NumpyArrayWrapper", "x"),
    ("shelve", "open", "WITNESS"),
    ("copyreg", "_reconstructor", "x"),
    ("copyreg", "__newobj__", "x"),
    ("copy_reg", "_reconstructor", "x"),
    ("ctypes", "CDLL", "libc.so.6"),
    ("socket", "create_connection", "localhost"),
    ("urllib.request", "urlopen", "http://localhost"),
    ("webbrowser", "open", "http://localhost"),
    ("shutil", "rmtree", "."),
    ("pathlib", "Path.touch", "WITNESS"),
    ("io", "open", "WITNESS"),
    ("_io", "FileIO", "WITNESS"),
    ("linecache", "getlines", "/etc/passwd"),
    ("sys", "exit", "x"),
    ("gc", "get_objects", "x"),
    ("numpy", "load", "x"),
    ("numpy", "memmap", "WITNESS"),
    ("numpy", "fromfile", "x"),
    ("numpy", "dtype.newbyteorder", "x"),
    ("numpy.testing._private.utils", "runstring", _CODE),
    ("numpy.f2py.crackfortran", "getlincoef", _CODE),
    ("numpy.f2py.crackfortran", "myeval", _CODE),
    ("numpy.f2py.diagnose", "run_command", HARM),
    ("numpy.distutils.exec_command", "exec_command", HARM),
    ("numpy.core.numeric", "_frombuffer", "x"),
    ("numpy.ma.core", "_mareconstruct", "x"),
    ("numpy.random._pickle", "__randomstate_ctor", "x"),
    ("torch", "load", "x"),
    ("torch.storage", "_load_from_bytes", "x"),
    ("torch.hub", "load", "x"),
    ("torch._utils", "_rebuild_tensor_v2", "x"),
    ("torch.utils.collect_env", "run", HARM),
    ("torch.utils.bottleneck.__main__", "run_cprofile", _CODE),
    ("torch._dynamo.guards", "GuardBuilder.get", _CODE),
    ("torch.jit.unsupported_tensor_ops", "execWrapper", _CODE),
    ("paddle", "load", "x"),
    ("paddle.utils.download", "get_path_from_url", "x"),
    ("site", "execsitecustomize", "x"),
    ("string", "Formatter.get_field", "x"),
    # What is harmless by another way: an attribute of it, another module that has it, its case.
    ("numpy", "ndarray.__class__", "x"),
    ("numpy", "core.multiarray._reconstruct", "x"),
    ("numpy.core", "multiarray._reconstruct", "x"),
    ("numpy.core.multiarray", "_reconstruct.__self__", "x"),
    ("numpy.core.multiarray", "sys.modules", "x"),
    ("numpy.core.multiarray", "os", "x"),
    ("builtins", "tuple.__class__.__subclasses__", "x"),
    ("builtins", "object", "x"),
    ("collections", "OrderedDict.fromkeys", "x"),
    ("collections", "_sys", "x"),
    ("collections", "namedtuple", "x"),
    ("_codecs", "encode.__self__", "x"),
    ("_codecs", "decode", "x"),
    ("codecs", "encode", "x"),
    ("numpy", "ndarray\r", "x"),
    (" numpy", "ndarray", "x"),
    ("Numpy", "ndarray", "x"),
    ("numpy", "", "x"),
    ("", "ndarray", "x"),
    ("", "", "x"),
]


def text(value: str) -> bytes:
    """Return the instruction that pushes text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def named(module: str, name: str) -> bytes:
    """Return the instruction GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def array(
    dtype: bytes, shape: bytes, data: bytes, kind: bytes = named("numpy", "ndarray")
) -> bytes:
    """Return the instructions for an array, of those for its dtype, its shape and its content."""
    made = named("numpy.core.multiarray", "_reconstruct") + b"(" + kind + b"K\0\x85C\1btR"
    return made + b"(K\1" + shape + dtype + b"\x89" + data + b"tb"


def dtype_of(
    code: str, state: bytes = b"(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
) -> bytes:
    """Return the instructions that make a dtype."""
    return named("numpy", "dtype") + text(code) + b"\x89\x88\x87R" + state


def in_dict(value: bytes) -> bytes:
    """Return the pickle of {"a": value}."""
    return b"\x80\2}" + text("a") + value + b"s."


def calls() -> dict[str, bytes]:
    """Return pickles that name what they must not, each in three ways."""
    made = {}
    for module, name, argument in _CALLS:
        label = f"{module}.{name}"
        call = text(argument) + b"\x85R"
        made[f"GLOBAL {label}"] = in_dict(named(module, name) + call)
        made[f"STACK_GLOBAL {label}"] = in_dict(text(module) + text(name) + b"\x93" + call)
        # From the memo: what looks for text just before the instruction sees harmless names.
        stored = text("m") + text(module) + b"q\7s" + text("n") + text(name) + b"q\x08s"
        taken = text("numpy") + text("ndarray") + b"\x86sX\1\0\0\0bh\7h\x08\x93"
        made[f"memo {label}"] = b"\x80\2}" + stored + text("a") + taken + call + b"s."
    return made


def instructions() -> dict[str, bytes]:
    """Return pickles whose instructions make objects, or do what no array needs."""
    os_system, ndarray = named("os", "system"), named("numpy", "ndarray")
    state = b"}" + text("__setstate__") + text("x") + b"s"
    return {
        "INST": in_dict(b"(" + text(HARM) + b"ios\nsystem\n"),
        "OBJ": in_dict(b"(" + os_system + text(HARM) + b"o"),
        "OBJ of a harmless name": in_dict(b"(" + ndarray + b"K\1o"),
        "NEWOBJ": in_dict(os_system + text(HARM) + b"\x85\x81"),
        "NEWOBJ of a harmless name": in_dict(ndarray + b"K\1\x85\x85\x81"),
        "NEWOBJ_EX": in_dict(ndarray + b")}\x92"),
        "EXT1": in_dict(b"\x82\1"),
        "EXT2": in_dict(b"\x83\1\0"),
        "EXT4": in_dict(b"\x84\1\0\0\0"),
        "PERSID": in_dict(b"Pharm\n"),
        "BINPERSID": in_dict(text("harm") + b"Q"),
        "NEXT_BUFFER": in_dict(b"\x97"),
        "READONLY_BUFFER": in_dict(b"\x97\x98"),
        "BYTEARRAY8": in_dict(b"\x96" + struct.pack("<Q", 1) + b"x"),
        "set": in_dict(b"\x8f(K\1\x90"),
        "frozenset": in_dict(b"(K\1\x91"),
        "BUILD of a name": in_dict(ndarray + state + b"b"),
        "BUILD of a dict": in_dict(b"}" + state + b"b"),
        "BUILD of a list": in_dict(b"]" + state + b"b"),
        "BUILD of an array by a dict": in_dict(
            named("numpy.core.multiarray", "_reconstruct")
            + b"("
            + ndarray
            + b"K\0\x85C\1btR"
            + state
            + b"b"
        ),
        "REDUCE of text": in_dict(text("os.system") + text(HARM) + b"\x85R"),
        "REDUCE of a list": in_dict(b"]" + text(HARM) + b"\x85R"),
        "REDUCE of a made array": in_dict(array(dtype_of("u1"), b"K\1\x85", b"C\1x") + b")R"),
        "REDUCE without a tuple": in_dict(ndarray + b"]R"),
        "a name by itself": in_dict(ndarray),
        "a dtype by itself": in_dict(dtype_of("f4")),
        "an array without content": in_dict(
            named("numpy.core.multiarray", "_reconstruct") + b"(" + ndarray + b"K\0\x85C\1btR"
        ),
        "encode by a codec that imports": in_dict(
            named("_codecs", "encode") + text("x") + text("rot13") + b"\x86R"
        ),
        "an OrderedDict of what are no pairs": in_dict(
            named("collections", "OrderedDict") + b"](K\1K\2e\x85R"
        ),
        "keys that are tuples": b"\x80\2}K\1\x85K\2s.",
        "keys that are large numbers": b"\x80\2}\x8a\x06\0\0\0\0\0\1K\2s.",
        "SETITEM of a list": b"\x80\2]K\1K\2s.",
        "APPEND to a dict": b"\x80\2}K\1a.",
        "a mark that is not there": b"\x80\2e.",
        "a stack that is empty": b"\x80\2.",
        "a memo that is not there": b"\x80\2h\1.",
        "an odd number of items": b"\x80\2}(K\1u.",
        "an unknown instruction": b"\x80\2\xff.",
    }


def arrays() -> dict[str, bytes]:
    """Return pickles whose arrays are not what they say."""
    ok, shape, four = dtype_of("f4"), b"K\1\x85", b"C\4abcd"
    huge = b"\x8a\x06" + (10**12).to_bytes(6, "little")
    no_state = b""
    fields = b"(K\3X\1\0\0\0|N" + text("a") + b"\x85}J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    return {
        "objects": in_dict(array(dtype_of("O8"), shape, b"](Nea"[:4])),
        "objects by their state": in_dict(array(dtype_of("O8", no_state), shape, b"]Na")),
        "a dtype of fields": in_dict(array(dtype_of("V8", fields), shape, four)),
        "a dtype with fields of a plain one": in_dict(array(dtype_of("f4", fields), shape, four)),
        "a dtype by text of several": in_dict(array(dtype_of("f4,O8"), shape, four)),
        "text": in_dict(array(dtype_of("S4"), shape, four)),
        "times": in_dict(array(dtype_of("M8"), shape, b"C\x08abcdabcd")),
        "too few bytes": in_dict(array(ok, b"K\2\x85", four)),
        "too many bytes": in_dict(array(ok, b")", b"C\5abcde")),
        "a terabyte": in_dict(array(ok, huge + b"\x85", four)),
        "a terabyte of nothing": in_dict(array(ok, b"(K\0" + huge * 4 + b"t", b"C\0")),
        "a shape below nothing": in_dict(array(ok, b"J\xff\xff\xff\xff\x85", four)),
        "a shape of text": in_dict(array(ok, text("x") + b"\x85", four)),
        "a shape of truths": in_dict(array(ok, b"\x88\x85", four)),
        "a hundred axes": in_dict(array(ok, b"(" + b"K\1" * 100 + b"t", four)),
        "no dtype": in_dict(array(b"N", shape, four)),
        "a list as content": in_dict(array(ok, shape, b"]")),
        "content that is no Latin-1": in_dict(array(ok, shape, text("\u4e00bcd"))),
        "another class of arrays": in_dict(array(ok, shape, four, kind=named("numpy", "dtype"))),
        "ndarray called by itself": in_dict(named("numpy", "ndarray") + huge + b"\x85\x85R"),
        "a scalar of objects": in_dict(
            named("numpy.core.multiarray", "scalar") + dtype_of("O8") + b"N\x86R"
        ),
        "a scalar of many": in_dict(
            named("numpy.core.multiarray", "scalar") + ok + b"C\x08abcdabcd\x86R"
        ),
    }


def bombs() -> dict[str, bytes]:
    """Return pickles that claim memory or time, as by referring to the same again and again."""
    laughs = b"]q\0" + b"".join(
        b"](" + b"h" + bytes([n]) + (b"h" + bytes([n])) * 9 + b"eq" + bytes([n + 1])
        for n in range(12)
    )
    long_text = text("x" * 1_000_000) + b"q\1" + text("latin1") + b"q\2"
    encode = named("_codecs", "encode") + b"q\3"
    again = b"h\3h\1h\2\x86R"
    data = b"B" + struct.pack("<I", 400_000) + bytes(400_000) + b"q\1"
    same = array(dtype_of("u1"), b"J" + struct.pack("<i", 400_000) + b"\x85", b"h\1")
    ordered = named("collections", "OrderedDict") + b"q\0"
    pairs = b"](" + b"".join(text(f"{n:06}") + b"N\x86" for n in range(10_000)) + b"eq\1"
    return {
        "the same pairs in many dicts": in_dict(
            b"(" + ordered + pairs + b"h\0h\1\x85R" * 1000 + b"t"
        ),
        "bytes that are not there": b"\x80\4\x8e" + struct.pack("<Q", 1 << 62) + b".",
        "text that is not there": b"\x80\4\x8d" + struct.pack("<Q", 1 << 62) + b".",
        "more bytes than can be": b"\x80\4\x8e" + struct.pack("<Q", (1 << 64) - 1) + b".",
        "a number that is not there": b"\x80\2\x8b" + struct.pack("<i", (1 << 31) - 1) + b".",
        "a number of a megabyte": b"\x80\2\x8b"
        + struct.pack("<i", 1 << 20)
        + bytes(1 << 20)
        + b"\x7f.",
        "text of less than nothing": b"\x80\2T\xff\xff\xff\xff.",
        "a memo of four billion": b"\x80\2N" + b"r\xff\xff\xff\xff" * 10,
        "a frame of all there is": b"\x80\4\x95" + b"\xff" * 8,
        "a billion laughs": in_dict(b"(" + laughs + b"l"[:0] + b"t"),
        "itself": b"\x80\2}q\0" + text("a") + b"h\0s.",
        "itself in a list": in_dict(b"]q\0h\0a"),
        "lists in lists": in_dict(b"]" * 100_000 + b"a" * 99_999),
        "tuples in tuples": in_dict(b")" + b"\x85" * 100_000),
        "a tuple of tuples as a key": b"\x80\2})" + b"\x85" * 100_000 + b"Ns.",
        "the same text encoded again": in_dict(b"(" + long_text + encode + again * 1000 + b"t"),
        "the same bytes in many arrays": in_dict(b"(" + data + same * 1000 + b"t"),
        "too many instructions": b"\x80\2(" + b"}" * (MOST_INSTRUCTIONS + 10) + b"t.",
        "too many marks": b"\x80\2" + b"(" * 600_000,
    }


def attacks() -> dict[str, bytes]:
    """Return all of them by what they are."""
    return {**calls(), **instructions(), **arrays(), **bombs()}


def good_array() -> bytes:
    """Return the pickle of {"a": float32 [1]}, by the same means as the attacks."""
    return in_dict(array(dtype_of("f4"), b"K\1\x85", b"C\4" + np.float32(1.5).tobytes()))
