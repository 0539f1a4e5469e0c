"""The documents keep what they say: commands run, languages agree, links, tables and pins hold."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from digitlab.config import Recipe
from digitlab.errors import ConfigError
from digitlab.paddle.explain import table
from digitlab.recipe_files import shipped_recipes, to_toml
from digitlab.setting_names import FLAGS, full_key
from digitlab.studies.design import shipped_studies
from digitlab.studies.study import COLUMNS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CHAPTERS = sorted(
    path for path in ROOT.glob("docs/guide/*.md") if not path.name.endswith(".zh-CN.md")
)
PADDLE = ROOT / "docs/paddle.md"
FORMATS = ROOT / "docs/formats.md"
TWINS = [
    pytest.param(path, path.with_suffix(".zh-CN.md"), id=path.stem)
    for path in (README, PADDLE, *CHAPTERS)
]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Blocks under these are not run: they set a machine up, or take minutes.
EXEMPT = ("set-up", "long")
TRANSLATED = "translated"  # the mark of a block of words, such as a formula; its figures agree

_FENCE = re.compile(r"(?:<!-- *([\w-]+) *-->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: the mark above it, its language and its text."""

    mark: str
    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    return [Block(*match.groups("")) for match in _FENCE.finditer(path.read_text("utf-8"))]


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text("utf-8"))


def sections(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the level of each heading and the prose from it on, blocks left out."""
    for part in re.split(r"^(?=#)", prose(path), flags=re.M):
        yield len(part) - len(part.lstrip("#")), part


def numbers(text: str) -> Counter[str]:
    """Return the figures of a text, how often each; code and the targets of links are none."""
    text = _LINK.sub("]", re.sub(r"`[^`]*`", "", text))
    found = Counter(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text))
    found["to be measured"] = text.count("TODO" + "-FIGURE")
    return found


def cells(text: str) -> list[list[str]]:
    """Return the cells of all tables, row by row."""
    rows = (line for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize(("english", "chinese"), TWINS)
def test_both_languages_have_the_same_sections_in_the_same_order(
    english: Path, chinese: Path
) -> None:
    def shape(path: Path) -> list[tuple[int, int, int]]:
        return [
            (level, len(_LINK.findall(text)), len(re.findall(r"^\||^[-\d]", text, re.M)))
            for level, text in sections(path)
        ]

    assert shape(english) == shape(chinese)


@pytest.mark.parametrize(("english", "chinese"), TWINS)
def test_both_languages_have_the_same_commands_in_the_same_order(
    english: Path, chinese: Path
) -> None:
    assert blocks(english)
    for ours, theirs in zip(blocks(english), blocks(chinese), strict=True):
        if ours.mark == TRANSLATED:
            assert (theirs.mark, theirs.language) == (TRANSLATED, "text")
            assert numbers(ours.text) == numbers(theirs.text)
        else:
            assert ours == theirs


@pytest.mark.parametrize(("english", "chinese"), TWINS)
def test_both_languages_have_the_same_figures(english: Path, chinese: Path) -> None:
    for (_, ours), (_, theirs) in zip(sections(english), sections(chinese), strict=True):
        assert numbers(ours) == numbers(theirs), ours.partition("\n")[0]
    for ours_row, theirs_row in zip(cells(prose(english)), cells(prose(chinese)), strict=True):
        assert [numbers(cell) for cell in ours_row] == [numbers(cell) for cell in theirs_row]


# What Chinese readers of deep learning expect to meet, and what reads as translated.
EXPECTED_IN_CHINESE = (
    *("损失函数", "均方误差（MSE）", "交叉熵", "梯度下降", "学习率", "超参数", "收敛", "全连接"),
    *("隐含层", "激活函数", "卷积核", "池化", "权值共享", "训练集", "验证集", "测试集", "准确率"),
    *(
        "精确率",
        "召回率",
        "混淆矩阵",
        "预测",
        "推理",
        "置信度",
        "校准",
        "拒识",
        "数据增强",
        "预处理",
    ),
    *("数据并行", "模型并行", "参数服务器", "全归约（All-Reduce）", "工作进程（worker）", "检查点"),
    *("断点续训", "恢复训练", "随机种子", "偶然", "量化", "训练配置（recipe）", "默认", "理论模型"),
    *("分片（shard）", "批大小（batch size）", "*轮*（epoch）", "学习率调度"),
)
NOT_IN_CHINESE = (
    *("目标函数", "平方误差", "配方", "挪动", "抽签", "纸上模型", "不写时", "不给则", "不给时"),
    *("什么都不写", "笔画出现在哪里都是笔画", "回答"),
)


def test_chinese_has_the_terms_of_the_field() -> None:
    chinese = [twin.values[1] for twin in TWINS]
    text = "".join(path.read_text("utf-8") for path in chinese if isinstance(path, Path))
    assert [term for term in EXPECTED_IN_CHINESE if term not in text] == []
    assert [term for term in NOT_IN_CHINESE if term in text] == []


def test_formulas_and_pictures_of_chinese_are_chinese() -> None:
    for path in (twin.values[1] for twin in TWINS):
        assert isinstance(path, Path)
        for block in blocks(path):
            if block.mark == TRANSLATED:
                assert all(re.search("[一-鿿]", line) for line in block.text.splitlines())
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", prose(path)):
            assert picture.endswith((".zh-CN.png", ".zh-CN.svg"))


needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


@pytest.mark.process
@needs_bash
def test_the_commands_of_the_readme_run_one_after_the_other(tmp_path: Path) -> None:
    run_blocks(README, tmp_path)


@pytest.mark.process
@needs_bash
@pytest.mark.parametrize("chapter", [PADDLE, *CHAPTERS], ids=lambda path: path.stem)
def test_the_commands_of_a_chapter_run_one_after_the_other(chapter: Path, tmp_path: Path) -> None:
    run_blocks(chapter, tmp_path)


def run_blocks(document: Path, folder: Path) -> None:
    """Run a document's commands and Python in a folder that looks like a checkout.

    Its MNIST is a tenth of the real one: that each command runs is shown, not how well it learns.
    """
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*-ubyte.gz"))
    for file in ROOT.glob("src/digitlab/data/mnist/*-ubyte.gz"):
        (folder / file.relative_to(ROOT)).write_bytes(first_tenth(file))
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(
            [
                str(path_of_digitlab(folder)),
                str(Path(sys.executable).parent),  # torchrun
                os.environ["PATH"],
            ]
        ),
        "PYTHONPATH": str(folder / "src"),
    }
    runners = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    run = 0
    for block in blocks(document):
        if block.language not in runners or block.mark in EXEMPT:
            continue
        done = subprocess.run(
            [*runners[block.language], block.text],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
        run += 1
    assert run


def first_tenth(file: Path) -> bytes:
    """Return a gzipped IDX file with the first tenth of another's images or labels."""
    content = gzip.decompress(file.read_bytes())
    head = 4 + 4 * content[3]
    count = int.from_bytes(content[4:8])
    size = (len(content) - head) // count
    few = (count // 10).to_bytes(4)
    return gzip.compress(content[:4] + few + content[8 : head + count // 10 * size], 1)


def path_of_digitlab(folder: Path) -> Path:
    """Return the folder of the command: beside this Python, or else one made here."""
    beside = Path(sys.executable).parent
    if shutil.which("digitlab", path=str(beside)):
        return beside
    command = folder / "bin/digitlab"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m digitlab "$@"\n')
    command.chmod(0o755)
    return command.parent


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_resolves(document: Path) -> None:
    for link in _LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), f"{document.name}: {link}"
        assert target.is_relative_to(ROOT), f"{document.name}: {link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), f"{document.name}: {link}"


def anchors(document: Path) -> list[str]:
    """Return the anchors of headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_figure_is_left_to_be_measured(document: Path) -> None:
    left = document.read_text("utf-8").count("TODO" + "-FIGURE")
    assert left == 0


def test_the_readme_shows_every_recipe_that_ships() -> None:
    shown = {row[0].strip("`") for row in cells(prose(README))}
    assert set(shipped_recipes()) <= shown


def test_every_setting_of_a_recipe_is_documented_with_its_default_and_meaning() -> None:
    plain = tomllib.loads(to_toml(Recipe()))
    expected = {}
    for item in dataclasses.fields(Recipe):
        value = plain[item.name]
        if not isinstance(value, dict):
            expected[item.name] = (value, item.metadata["doc"])
            continue
        for inner in dataclasses.fields(type(getattr(Recipe(), item.name))):
            key = f"{item.name}.{inner.name}"
            expected[key] = (value[inner.name], inner.metadata["doc"])
    (recipes,) = (text for _, text in sections(FORMATS) if text.startswith("## Recipes"))
    table = {row[0].strip("`"): row[1:] for row in cells(recipes) if len(row) == 4}
    for key, (default, doc) in expected.items():
        short, shown, meaning = table[key]
        assert re.findall("`(.*?)`", short) == short_names(key), key
        assert tomllib.loads(f"value = {shown.strip('`')}")["value"] == default, key
        assert meaning.startswith(doc), key


def short_names(key: str) -> list[str]:
    """Return the names other than its own by which a key of a recipe can be set, flags first."""

    def means_it(name: str) -> bool:
        try:
            return full_key(name) == key
        except ConfigError:
            return False

    names = dict.fromkeys([*FLAGS, key.rpartition(".")[2]])
    return [name for name in names if name != key and means_it(name)]


def test_the_studies_that_ship_and_the_columns_of_their_tables_are_documented() -> None:
    shown = {row[0].strip("`") for row in cells(prose(README))}
    assert set(shipped_studies()) <= shown
    (text,) = (text for _, text in sections(FORMATS) if text.startswith("## Studies"))
    assert [column for column in COLUMNS if f"`{column}`" not in text] == []


@pytest.mark.parametrize("path", [PADDLE, PADDLE.with_suffix(".zh-CN.md")])
def test_the_table_of_old_names_is_what_the_program_has(path: Path) -> None:
    assert f"\n\n{table()}\n\n" in path.read_text("utf-8")


def test_every_promise_that_holds_names_tests_that_exist() -> None:
    tables = cells(prose(ROOT / "docs/guarantees.md"))
    promises = [row for row in tables if re.fullmatch(r"[TS]\d+", row[0])]
    assert len(promises) == 23
    for name, *_, today in promises:
        named = re.findall(r"`(tests/[\w/-]+\.py)::(\w+)`", today)
        assert named or today == "not built yet", name
        for path, test in named:
            assert re.search(rf"^def {test}\(", (ROOT / path).read_text("utf-8"), re.M), test


def requirements() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found = [Requirement(text) for group in groups for text in group]
    return {canonicalize_name(one.name): one for one in found if one.name != project["name"]}


def test_every_dependency_has_its_reason() -> None:
    reasons = {row[0].strip("`"): row[1] for row in cells(prose(ROOT / "docs/dependencies.md"))}
    for name in requirements():
        assert len(reasons[name]) > 20, name


def test_every_dependency_is_pinned_to_a_version_that_its_range_allows() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    pinned: dict[str, str] = {canonicalize_name(name): version for name, version in pins}
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(pinned[name], prereleases=True), name
    assert pinned["torch"] == "2.13.0"


@pytest.mark.process
@needs_make
def test_make_says_in_one_line_that_there_is_no_python(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "-C", str(ROOT), "venv", f"VENV={tmp_path}/venv", "PYTHON=no-such-python"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    first, _, rest = done.stderr.partition("\n")
    assert "no Python found (tried: no-such-python)" in first
    assert "Python 3.11 or later" in first
    assert len(rest.splitlines()) == 1  # make's own
    assert not (tmp_path / "venv").exists()


@pytest.mark.process
@needs_make
def test_the_map_for_contributors_names_every_target_of_make() -> None:
    shown = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory", "help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    targets = set(re.findall(r"^make ([\w-]+)", shown, re.M)) - {"help"}
    assert targets == {
        "venv", "train", "check", "test", "test-lowest", "lint", "format", "bench", "chaos",
        "clean",
    }  # fmt: skip
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert {name for name in targets if f"`make {name}`" not in contributing} == set()


def test_the_map_of_the_house_names_every_module_and_no_other() -> None:
    text = (ROOT / "docs" / "design.md").read_text()
    house = text[text.index("src/digitlab/\n") : text.index("benchmarks/         ")]
    there = {path.name for path in (ROOT / "src" / "digitlab").rglob("*.py")}
    later = {"app.py"}  # as it says
    named = set(re.findall(r"\b(\w+\.py)\b", house))
    assert there - named == {"__main__.py"}
    assert named - there == later


def test_the_contributors_map_names_every_room_and_module() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = text[text.index("## The map of the house") : text.index("`tests/` mirrors")]
    inside = (ROOT / "src" / "digitlab").iterdir()
    names = {path.name if path.is_file() else f"{path.name}/" for path in inside}
    passed_over = {"__main__.py", "__pycache__/", "py.typed"}
    assert {name for name in names if f"`{name}`" not in rows} == passed_over & names
