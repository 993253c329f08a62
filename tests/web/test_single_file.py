"""The self-contained file: its exact contents and its size."""

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web.journey import numpy_cnn
from web.looked_at import completed, finished, opened, run, small, stored, stripes, trained_through

from chainrule.errors import DataError, FormatError, OptionError, RunError
from chainrule.web import document, single_file, subjects
from chainrule.web.document import bundle, pack_numbers, unpack

INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>t</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page/style/a.css">
<script type="module" src="page/app.js"></script></head><body><p>here</p></body></html>
"""
FILES = {
    "index.html": INDEX,
    "style/a.css": "p { color: red; }",
    "app.js": 'import { a } from "./engine/a.js";\n/** "</script><!-- " ü \\u003c */\nconsole.log(a);\n',
    "engine/a.js": 'import {\n  b,\n} from "../b.js";\nexport const a = b + 1;\n',
    "b.js": "export const b = 1;\n",
    "worker.js": 'import { b as c } from "./b.js";\nonmessage = () => postMessage(c);\n',
    "unused.js": "export const unused = 1;\n",
}


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a page of a few files in place of the real one."""
    folder = tmp_path / "page"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(document.inlined_page, "__defaults__", (folder,))
    return folder


def embedded(content: bytes, name: str) -> Any:
    """Return the JSON of an element."""
    elements = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', content.decode(), re.DOTALL)
    assert len(elements) == 1
    assert "<" not in elements[0]
    return json.loads(elements[0])


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    """Decode as the page does: DecompressionStream, then four byte planes."""
    content = zlib.decompress(base64.b64decode(packed["base64"], validate=True), -15)
    count = packed["length"]
    assert len(content) == packed["planes"] * count
    if packed["planes"] == 1:
        return np.frombuffer(content, np.uint8)
    numbers = [bytes(content[plane * count + place] for plane in range(4)) for place in range(count)]
    return np.frombuffer(b"".join(numbers), "<f4")


# ------------------------------------------------------------------ data


def test_the_file_holds_the_network_to_the_bit(tmp_path: Path, page: Path) -> None:
    """Train a run that was stopped to its end."""
    data = stripes(tmp_path / "data.npz")
    expected, trainer = trained_through(small(data))
    session = opened(subjects.of_path(run(tmp_path / "run", data, stop=12)))
    finished(session)
    content = single_file.file_bytes(session)
    data = embedded(content, "chainrule-data")
    assert data["format"] == 1
    assert data["description"] == json.loads(json.dumps(session.description()))
    early = session.state()["early"]  # where the page opens
    assert [frame["step"] for frame in data["frames"]] == sorted({0, early, 10, 27})
    for frame in data["frames"]:
        parameters, statistics, *_ = expected[frame["step"]]
        assert np.array_equal(unpacked(frame["parameters"]), parameters)
        assert np.array_equal(unpacked(frame["statistics"]), statistics)
    by_step = {frame["step"]: frame for frame in data["frames"]}
    assert (by_step[0]["moments"], by_step[10]["moments"]) == ("zeros", None)
    for step in (early, 27):
        assert np.array_equal([unpacked(moment) for moment in by_step[step]["moments"]], expected[step][2:])
    assert by_step[10]["rate"] == trainer.history.rates[10]
    step = data["batch_step"]
    assert step["step"] == early
    for name, before, after in zip(("parameters", "statistics"), expected[early], expected[early + 1], strict=False):
        assert np.array_equal(unpacked(step[name]).view("<u4") ^ before.view("<u4"), after.view("<u4"))
    assert step["numbers"] == trainer.loader.indices(early).tolist()
    arrays = stored(tmp_path / "data.npz")
    assert data["samples"]["labels"] == arrays["y_test"].tolist()
    assert np.array_equal(unpacked(data["samples"]["x"]), arrays["x_test"].reshape(-1))
    assert unpacked(data["series"]["loss"]).tolist() == np.float32(trainer.history.losses).tolist()
    assert data["training"]["step"] == 27
    assert not data["training"]["running"]


def kept(content: bytes) -> list[int]:
    """Return the steps whose frames are in a file."""
    return [frame["step"] for frame in embedded(content, "chainrule-data")["frames"]]


def hashed(text: str) -> str:
    """Return the source hash as in a policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_special_numbers_survive() -> None:
    bits = np.array([0, 1 << 31, 0x7F800000, 0xFF800000, 0x7FC00001, 1, 0x3F800000, 0x00800000], np.uint32)
    for count in range(len(bits) + 1):
        packed = pack_numbers(bits[:count].view(np.float32))
        assert np.array_equal(unpacked(packed).view(np.uint32), bits[:count])
        assert np.array_equal(unpack(packed).view(np.uint32), bits[:count])


# ------------------------------------------------------------------ size


def test_numpy_cnn_is_smaller_than_five_megabytes_and_loads_nothing(tmp_path: Path) -> None:
    session = opened(numpy_cnn(tmp_path))
    completed(session, "advance", 12)
    content = single_file.file_bytes(session)
    assert kept(content)[:: len(kept(content)) - 1] == [0, 12]
    assert len(content) < 5_000_000
    assert not re.search(rb'(?:src|href)="(?!data:|#)', content.split(b'<script type="application/json"')[0])


def test_frames_without_room_are_left_out(tmp_path: Path, page: Path) -> None:
    session = opened(small(stripes(tmp_path / "data.npz")))
    finished(session)
    whole = single_file.file_bytes(session)
    early = session.state()["early"]
    assert kept(single_file.file_bytes(session, budget=len(whole))) == sorted({0, early, 10, 27})
    assert kept(single_file.file_bytes(session, budget=len(whole) - 1)) == sorted({0, early, 27} - {10})
    with_step = single_file.file_bytes(session, budget=0)
    assert kept(with_step) == [0, early, 27]
    without = single_file.file_bytes(session, budget=0, limit=len(with_step) - 1)
    assert kept(without) == [0, 27]
    least = single_file.file_bytes(session, budget=0, limit=len(without) - 1)
    assert kept(least) == [27]
    assert embedded(least, "chainrule-data")["frames"][0]["moments"] is None
    with pytest.raises(OptionError, match=r"small: the file would be \d\.\d MB; expected at most 0 MB"):
        single_file.file_bytes(session, limit=len(least) - 1)


def test_without_data_there_is_still_a_file(tmp_path: Path, page: Path) -> None:
    path = tmp_path / "out.html"
    written = single_file.write(path, small(tmp_path / "missing.npz"))
    content = path.read_bytes()
    assert written.size == len(content)
    assert "missing.npz" in written.lacking
    assert embedded(content, "chainrule-data")["samples"]["count"] == 0
    assert kept(content) == [0]
    with pytest.raises(RunError, match="cannot write"):
        single_file.write(tmp_path, small(tmp_path / "missing.npz"))
    assert not [*tmp_path.parent.glob("*.part"), *tmp_path.glob("*.part")]


# ------------------------------------------------------------------ the document


def test_nothing_is_fetched_and_nothing_else_may_run(page: Path) -> None:
    text = document.assemble(document.inlined_page(), '{"x": "</script><script>alert(1)</script>"}').decode()
    assert "page/" not in text
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    assert text.index("<meta http-equiv") < text.index("<title>")
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert [rules["script-src"]] == [f"{hashed(script)} blob:" for script in scripts]
    assert [rules["style-src"]] == [hashed(style) for style in re.findall(r"<style>(.*?)</style>", text, re.DOTALL)]
    assert text.count("alert(1)") == 1
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.js", 'import { a } from "./engine/a.js";', "engine/a.js → b.js → engine/a.js"),
        ("b.js", 'import { a } from "./nothing.js";', "b.js imports nothing.js, which does not exist"),
        ("worker.js", 'import a from "./b.js";', "worker.js: cannot import a by itself"),
        ("worker.js", "export default 3;", "export default 3"),
        ("style/a.css", "@import 'b.css';", "style/a.css"),
        ("style/a.css", "p { background: url(x.png); }", "style/a.css"),
        ("index.html", INDEX.replace("app.js", "nothing.js"), "nothing.js, which does not exist"),
        ("index.html", INDEX.replace("a.css", "nothing.css"), "nothing.css"),
        ("index.html", INDEX.replace("</body>", ""), "expected"),
    ],
)
def test_pages_that_need_more_than_one_file_are_refused(page: Path, name: str, text: str, said: str) -> None:
    (page / name).write_text(text)
    with pytest.raises(FormatError, match=re.escape(said)):
        document.inlined_page()


def test_imports_and_exports_in_one_script() -> None:
    sources = {
        "w.js": 'import * as m from "./m.js";\nimport "./side.js";\nimport { f as g, C } from "./m.js";\ng(C, m);\n',
        "m.js": "export function f() {}\nexport class C {}\nconst x = 1, y = 2;\nexport { x, y as z };\n",
        "side.js": 'export async function later() { return "export const no"; }\nexport function* many() {}\n',
    }
    text = bundle(sources, ["w.js"], [])
    assert "return { f, C, x, z: y };" in text
    assert 'const m = load("m.js");\nload("side.js");\nconst { f: g, C } = load("m.js");' in text
    assert "return { later, many };" in text


def test_chosen_data_that_cannot_be_used_are_an_error(tmp_path: Path) -> None:
    for name, y in (("missing", None), ("floats", np.linspace(0, 1, 20))):
        if y is not None:
            np.savez(tmp_path / f"{name}.npz", x=np.zeros((20, 1, 8, 8), np.uint8), y=y)
        with pytest.raises(DataError):
            single_file.write(tmp_path / "page.html", small(tmp_path / f"{name}.npz"), needs_data=True)
    assert not (tmp_path / "page.html").exists()
