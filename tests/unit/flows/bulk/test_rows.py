"""What is wrong with rows is told before anything is sent, with the line or the column and a fix."""

from __future__ import annotations

import asyncio
import builtins
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from kosha_connector_openai.errors import InputError, SetupError
from kosha_connector_openai.flows.bulk import Bulk, RowOptions, SendOptions, SqliteLedger, ledger_of
from kosha_connector_openai.flows.bulk.mapping import Fields, MapRule, RowMap
from kosha_connector_openai.flows.bulk.rows import open_source
from tests.recorder import reply
from tests.unit.flows.bulk.conftest import SHARED, Upstream, prompts

JSONL, CSV = "in.jsonl", "in.csv"
WRONG = [
    ("no rows", JSONL, b"", {}, "/input", "no rows"),
    ("blank lines", JSONL, b"\n  \n", {}, "/input", "no rows"),
    ("a header alone", CSV, b"prompt\n", {}, "/input", "no rows"),
    ("an empty table", CSV, b"", {}, "/input", "no header"),
    ("no JSON", JSONL, b'{"prompt": "a"}\n{"prompt": \n', {}, "/line/2", "not valid JSON at its character 11"),
    ("no object", JSONL, b'{"prompt": "a"}\n["a"]\n', {}, "/line/2", "no JSON object"),
    ("NaN", JSONL, b'{"prompt": "a", "top_p": NaN}\n', {}, "/line/1/top_p", "finite"),
    ("a name twice", JSONL, b'{"prompt": "a", "prompt": "b"}\n', {}, "/line/1/prompt", "twice"),
    ("a name twice, deep", JSONL, b'{"prompt": "a"}\n{"logit_bias": {"5": 1, "5" : 2}}\n', {}, "/line/2/logit_bias/5", "twice"),
    ("an integer that would be rounded", JSONL, b'{"prompt": "a", "seed": 36893488147419103232}\n', {}, "/line/1", "beyond 64 bits"),
    ("half a surrogate pair", JSONL, b'{"prompt": "\\ud800"}\n', {}, "/line/1/prompt", "surrogate"),
    ("no UTF-8", JSONL, b'{"prompt": "a"}\n{"prompt": "\xff"}\n', {}, "/line/2", "not UTF-8"),
    ("no UTF-8 in a table", CSV, b"prompt\na\n\xe9\n", {}, "/line/3", "not UTF-8"),
    ("UTF-16", CSV, "prompt\na\n".encode("utf-16"), {}, "/line/1", "UTF-16"),
    ("NUL", JSONL, b'{"prompt": "a\0"}\n', {}, "/line/1", "NUL"),
    ("NUL in a table", CSV, b"prompt\na\0\n", {}, "/line/2", "NUL"),
    ("ragged", CSV, b"prompt,n\na,1\nb\n", {}, "/line/3", "1 cells, and the header has 2"),
    ("ragged after two lines in a cell", CSV, b'prompt,n\n"a\nb",1\nc,1,2\n', {}, "/line/4", "3 cells"),
    ("a quote that never ends", CSV, b'prompt\n"a\n', {}, "/line/2", "no CSV"),
    ("a doubled header", CSV, b"prompt,n,prompt\na,1,b\n", {}, "/column/prompt", "twice"),
    ("a header without a name", CSV, b"prompt,\na,1\n", {}, "/column/2", "no name"),
    ("a field that the action lacks", CSV, b"promt\na\n", {}, "/column/promt", "no field of the target"),
    ("a field that one row has", JSONL, b'{"prompt": "a"}\n{"prompt": "b", "promt": 1}\n', {}, "/line/2", "no field of the target"),
    ("a mapped field that it lacks", CSV, b"a\nx\n", {"map": ("promt=a",)}, "/promt", "no field of the target"),
    ("a fixed field that it lacks", CSV, b"prompt\nx\n", {"fixed": {"modle": "m"}}, "/modle", "no field of the target"),
    ("an unknown column", CSV, b"question\nx\n", {"map": ("prompt=quesion",)}, "/column/quesion", "no column"),
    ("an unknown column in one row", JSONL, b'{"a": "x"}\n{"b": "x"}\n', {"map": ("prompt=a",)}, "/line/2", "no column"),
    ("a field that is mapped twice", CSV, b"prompt,b\nx,y\n", {"map": ("prompt=prompt", "prompt=b")}, "/map/prompt", "mapped twice"),
    ("a field for a row and for all", CSV, b"a\nx\n", {"map": ("suffix=a",), "fixed": {"suffix": "s"}}, "/map/suffix", "for all rows"),
    ("a JSON array", JSONL, b'\n[{"prompt": "a"},\n{"prompt": "b"}]\n', {}, "/line/2", "jq -c"),
    ("an object over lines", JSONL, b'{\n "prompt": "a"\n}\n', {}, "/line/1", "on one line"),
    ("JSON by its ending", "in.json", b'[{"prompt": "a"}]\n', {}, "/input", "line of its own"),
    ("gzip", JSONL, b"\x1f\x8b\x08\x00\x00", {}, "/line/1", "gunzip"),
    ("gzip by its ending", "in.csv.gz", b"\x1f\x8b\x08\x00\x00", {}, "/input", "gunzip"),
    ("a spreadsheet", CSV, b"PK\x03\x04\x00\x00", {}, "/line/1", "CSV UTF-8"),
    ("a spreadsheet by its ending", "in.xlsx", b"PK\x03\x04\x00\x00", {}, "/input", "CSV UTF-8"),
    ("Parquet under another name", CSV, b"PAR1\x15\x04", {}, "/line/1", "--format parquet"),
    ("a line for a spreadsheet", CSV, b"sep=;\nprompt;n\na;1\n", {}, "/line/1", "Take the line out"),
    ("lines that end in CR", CSV, b"prompt,n\ra,1\rb,2\r", {}, "/line/1", "carriage return"),
    ("a rule that is none", CSV, b"prompt\nx\n", {"map": ("prompt",)}, "/map", "has 'prompt', which is not written FIELD=COLUMN"),
    ("a rule without a column", CSV, b"prompt\nx\n", {"map": ("prompt=",)}, "/map", "has 'prompt='"),
    ("a short name", CSV, b"text\nx\n", {"map": ("prompt=txt",)}, "/column/txt", "Did you mean `text`?"),
    ("a whole after its part", CSV, b"a,b\nx,y\n", {"map": ("prompt=a", "stop.0=a", "stop=b")}, "/map/stop", "mapped twice"),
    ("a whole over a fixed part", CSV, b"a\nx\n", {"map": ("prompt=a", "stop=a"), "fixed": {"stop.0": "s"}}, "/map/stop", "for all rows"),
    ("a fixed part of a field that it lacks", CSV, b"prompt\nx\n", {"fixed": {"stp.0": "m"}}, "/stp", "Did you mean `stop`?"),
    ("a fixed part without a place", CSV, b"prompt\nx\n", {"fixed": {"model": "m", "stop.1": "s"}}, "/stop.1", "Begin lists at 0"),
    ("a fixed file", CSV, b"prompt\nx\n", {"fixed": {"model": "m", "user": b"x"}}, "/user", "--map user=@COLUMN"),
    ("a fixed integer", CSV, b"prompt\nx\n", {"fixed": {"model": "m", "seed": 2**65}}, "/seed", "integer as a text"),
    ("a field that nothing fills", CSV, b"prompt\nx\n", {"fixed": {}}, "/model", "--set model=VALUE"),
    ("a field that no rule fills", JSONL, b'{"a": "x"}\n', {"map": ("suffix=a",)}, "/prompt", "--map prompt=COLUMN"),
    ("JSON in a cell", CSV, b"prompt,j\nx,{\n", {"map": ("prompt=prompt", "logit_bias=j")}, "/line/2/j", "not valid JSON"),
    ("twice in a cell", CSV, b'prompt,j\nx,"{""5"":1,""5"":2}"\n', {"map": ("prompt=prompt", "logit_bias=j")}, "/line/2/j/5", "twice"),
    ("a column to keep", CSV, b"prompt\nx\n", {"keep": ("promt",)}, "/column/promt", "Did you mean `prompt`?"),
    ("a share", CSV, b"prompt\nx\n", {"share": "4/3"}, "/share", "no share"),
    ("an order that cannot keep", CSV, b"prompt\nx\n", {"keep": ("prompt",), "order": "done"}, "/keep", "order of the input"),
    ("an unknown ending", "in.txt", b"x\n", {}, "/input", "unknown ending"),
    ("a file that is not there", "", b"", {}, "/input", "missing.jsonl is not there"),
    ("a file in no Parquet", "in.parquet", b"PAR1 no", {}, "/input", "arquet"),
    ("a named file that is not there", CSV, b"f\nx.txt\n", {"map": ("prompt=@f",)}, "/line/2", "not there"),
    ("a named file outside", CSV, b"f\n../x.txt\n", {"map": ("prompt=@f",)}, "/line/2", "outside"),
]


def test_bad_input_is_told_before_anything_is_sent(run: Any, tmp_path: Path) -> None:
    """Each case names its place and what to do, sends nothing, and leaves no file behind."""
    wrong = []
    with Upstream() as upstream:
        for number, (what, name, data, options, pointer, words) in enumerate(WRONG):
            folder = tmp_path / str(number)
            folder.mkdir()
            path = folder / (name or "missing.jsonl")
            if name:
                path.write_bytes(data)
            before = sorted(folder.iterdir())
            try:
                run(upstream, path, out=f"{number}/out.jsonl", **options)
            except (InputError, SetupError) as error:
                fault = error.faults[0]
                told = fault.pointer == pointer and words in f"{error} {fault.message} {fault.fix}"
                if not told or sorted(folder.iterdir()) != before:
                    wrong.append((what, str(error), sorted(folder.iterdir())))
            else:
                wrong.append((what, "was taken", []))
        assert wrong == []
        assert not upstream.seen


def test_a_line_over_64_mib_is_refused(tmp_path: Path) -> None:
    """The fault names the line and the rule of size."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"prompt": "a"}\n{"prompt": "' + b"x" * (64 * 1024 * 1024) + b'"}\n')
    with pytest.raises(InputError) as refused:
        list(open_source(path).rows())
    assert (refused.value.faults[0].pointer, refused.value.faults[0].rule) == ("/line/2", "size")


def test_what_is_in_the_way_is_refused(run: Any, tmp_path: Path) -> None:
    """An output, failed rows or a ledger of before; a folder that is not there; a run that another process works on."""
    with Upstream() as upstream:
        (tmp_path / "out.jsonl").write_text("mine")
        with pytest.raises(SetupError, match="is there already"):
            run(upstream, prompts(1))
        (tmp_path / "out.jsonl").unlink()
        (tmp_path / "out.jsonl.failed.jsonl").write_text("mine")
        with pytest.raises(SetupError, match="is there already"):
            run(upstream, prompts(1))
        (tmp_path / "out.jsonl.failed.jsonl").unlink()
        for out, words in (("none/out.jsonl", "not there"), ("n" * 250 + ".jsonl", "Name another output"), ("-", "Name a file")):
            with pytest.raises(SetupError, match=words):
                run(upstream, prompts(1), out=out)
        assert not upstream.seen
        run(upstream, prompts(1))
        (tmp_path / "out.jsonl").unlink()
        with pytest.raises(SetupError, match="is the ledger of a run"):
            run(upstream, prompts(1))
        with SqliteLedger(ledger_of(tmp_path / "out.jsonl")), pytest.raises(SetupError, match="is held by process"):
            SqliteLedger(ledger_of(tmp_path / "out.jsonl"))
    assert sum(upstream.seen.values()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names there are any bytes")
def test_a_folder_that_is_not_read_whole_is_refused(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose name is not UTF-8, a folder inside it that may not be read: named, and nothing is sent."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    bad = os.fsencode(folder) + b"/b\xff.txt"
    with Upstream() as upstream:
        os.close(os.open(bad, os.O_CREAT | os.O_WRONLY))
        with pytest.raises(InputError, match=r"/line/2: is a file whose name is not UTF-8: 'b\\udcff.txt'"):
            run(upstream, folder, map=("prompt=path",))
        Path(os.fsdecode(bad)).unlink()
        real = os.scandir
        failure = PermissionError(13, "Permission denied", str(folder / "sub"))
        monkeypatch.setattr(os, "scandir", lambda path: raised(failure) if str(path).endswith("sub") else real(path))
        with pytest.raises(InputError, match="/input: has 'sub', which cannot be read"):
            run(upstream, folder, map=("prompt=path",))
        assert not upstream.seen


def raised(error: Exception) -> Any:
    """Raises it, in an expression."""
    raise error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_by_its_name_is_refused(tmp_path: Path) -> None:
    """It cannot be read again, as a run that goes on does; the fix says how it is given."""
    os.mkfifo(tmp_path / "in.jsonl")
    with pytest.raises(InputError, match="/input: is a pipe or a device"):
        open_source(tmp_path / "in.jsonl")


def test_a_dsn_in_place_of_its_reference_is_refused_and_not_shown(run: Any, tmp_path: Path) -> None:
    """The error names the option and says how the DSN is given; nothing is sent or written, and its password is in no text."""
    with Upstream() as upstream:
        with pytest.raises(SetupError) as refused:
            run(upstream, prompts(1), ledger="postgresql://u:a-password-of-tests@127.0.0.1:9/db")
        assert not upstream.seen
    assert "/ledger: is a DSN" in str(refused.value)
    assert "env:NAME" in str(refused.value)
    assert "a-password-of-tests" not in str(refused.value.to_dict())
    assert not list(tmp_path.iterdir())


def test_options_that_are_none_are_named() -> None:
    """One error names every option that is out of range, of another type or of no such kind; nothing is taken for something else."""
    wrong: list[Any] = [
        (lambda: SendOptions(in_flight=0, attempts=11), ["/in_flight", "/attempts"]),
        (lambda: SendOptions(requests="5", timeout=-1.0, sync="fully"), ["/requests", "/timeout", "/sync"]),  # type: ignore[arg-type]
        (lambda: SendOptions(unknown="resend"), ["/unknown"]),  # type: ignore[arg-type]
        (lambda: RowOptions(map="prompt=text", keep="id"), ["/map", "/keep"]),
        (lambda: RowOptions(format="txt", order="in", if_cut="no", via="file"), ["/format", "/order", "/if_cut", "/via"]),  # type: ignore[arg-type]
    ]
    for make, pointers in wrong:
        with pytest.raises(SetupError) as refused:
            make()
        assert [fault.pointer for fault in refused.value.faults] == pointers


def test_a_program_gives_paths_as_texts_and_rows_that_are_some(bulk: Any, tmp_path: Path) -> None:
    """What is no input is told as a fault, and a blocking call on an event loop names the one that does not block; nothing is sent."""
    (tmp_path / "in.jsonl").write_text('{"prompt": "t1"}\n')
    source, out = str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")
    with Upstream() as upstream:
        under_test = bulk(upstream)

        def run(rows: Any) -> Any:
            return under_test.run("createCompletion", rows, out, RowOptions(fixed=SHARED))

        async def on_a_loop() -> None:
            run(source)

        with (tmp_path / "in.jsonl").open() as text, pytest.raises(InputError, match="opened for text"):
            run(text)
        with pytest.raises(InputError, match="no iterable"):
            run(5)
        with pytest.raises(SetupError, match="AsyncBulk"):
            asyncio.run(on_a_loop())
        assert (upstream.requests, list(tmp_path.iterdir())) == ([], [tmp_path / "in.jsonl"])
        assert run(source).done == 1
        assert (under_test.resume(out).done, under_test.request(out, 1)["method"]) == (1, "POST")


def test_columns_become_inputs_by_dotted_paths_and_types(bulk: Any, tmp_path: Path) -> None:
    """Cells are texts where the field takes one, else JSON; an empty cell is no value; paths reach into objects, lists and JSON texts.

    The rows that failed, which are JSON lines with the cells as texts, can be an input with the same rules.
    """
    source = tmp_path / "in.csv"
    source.write_text('p,n,meta\n007,5,"{""who"": [""me""]}"\n{{x}},,"{""who"": [""you""]}"\n')
    rules = ("prompt=p", "max_tokens=n", "user=meta.who.0")
    refusal = reply(400, {"error": {"message": "No.", "type": "invalid_request_error"}})
    with Upstream({"007": [refusal], "{{x}}": [refusal]}) as upstream:
        for rows, out in ((source, tmp_path / "o.jsonl"), (tmp_path / "o.jsonl.failed.jsonl", tmp_path / "again.jsonl")):
            bulk(upstream).run("createCompletion", rows, out, RowOptions(map=rules, fixed=SHARED))
        sent = sorted((request.json() for request in upstream.requests), key=str)
    first = {"model": "m", "prompt": "007", "max_tokens": 5, "user": "me"}
    second = {"model": "m", "prompt": "{{x}}", "user": "you"}
    assert sent == [first, first, second, second]
    assert MapRule.parse("messages.0.content=text") == MapRule(("messages", "0", "content"), "text", "=")


def test_fixed_values_go_inside_by_dotted_paths_beside_those_of_a_row(bulk: Any, tmp_path: Path) -> None:
    """Lists and objects that hold values of both are whole; what the program gave stays as it was."""
    shared: dict[str, Any] = {"model": "m", "messages": [{"role": "system"}], "messages.1.role": "user", "messages.0.name": "n"}
    (tmp_path / "in.csv").write_text("question\nx\n")
    with Upstream() as upstream:
        options = RowOptions(map=("messages.0.content=question", "messages.1.content=question"), fixed=shared)
        check = bulk(upstream).check("createChatCompletion", tmp_path / "in.csv", options)
    messages = [{"role": "system", "name": "n", "content": "x"}, {"role": "user", "content": "x"}]
    assert (check.faults, orjson.loads(check.first[0]["body"])) == ((), {"model": "m", "messages": messages})
    assert shared["messages"] == [{"role": "system"}]


def test_a_connection_that_lets_faults_through_requires_nothing_of_rows(opened: Any, key: str, tmp_path: Path) -> None:
    """``validation`` ``warn`` leaves it to the server what a request must have, of rows as of single calls."""
    (tmp_path / "in.csv").write_text("prompt\nx\n")
    connection = opened.connection({"api_key": "env:OPENAI_API_KEY"}, validation="warn")
    check = Bulk(opened, connection).check("createCompletion", tmp_path / "in.csv")
    assert (check.faults, orjson.loads(check.first[0]["body"])) == ((), {"prompt": "x"})


def test_a_reader_can_begin_at_any_row(tmp_path: Path) -> None:
    """From a row's place on, each form gives the same rows as from the start."""
    from kosha_connector_openai.flows.bulk.row import Start

    (tmp_path / "a.jsonl").write_text('\ufeff{"a": 1}\n\n{"a": "é"}\n{"a": 3}', encoding="utf-8")
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfa,b\r\n1,"x\r\ny"\r\n\r\n2,z\r\n3,w')
    (tmp_path / "d").mkdir()
    for name in ("x.txt", ".hidden", "y.txt"):
        (tmp_path / "d" / name).write_text(name)
    for name in ("a.jsonl", "a.csv", "d"):
        source = open_source(tmp_path / name)
        rows = list(source.rows())
        assert len(rows) == (2 if name == "d" else 3)
        for row in rows:
            assert list(source.rows(Start(row.number - 1, row.line - 1, row.place))) == rows[row.number - 1 :]
    assert [row.line for row in open_source(tmp_path / "a.csv").rows()] == [2, 5, 6]


def test_parquet_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow cannot be imported, the error names the extra to install."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"\[parquet\]"):
        list(open_source(tmp_path / "a.parquet").rows())


@pytest.mark.e2e  # which installs pyarrow
def test_parquet_rows_and_output(run: Any, tmp_path: Path) -> None:
    """Rows in and out; dates and decimals become texts."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"prompt": ["a", "b", "c"], "n": [1, 2, 3]}), tmp_path / "in.parquet", row_group_size=2)
    with Upstream() as upstream:
        run(upstream, tmp_path / "in.parquet", out="out.parquet", map=("prompt=prompt",), keep=("n",))
    table = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["row"], row["n"], row["text"]) for row in table] == [(1, "1", "echo a"), (2, "2", "echo b"), (3, "3", "echo c")]


@pytest.mark.e2e  # which installs pyarrow
def test_of_a_large_row_group_little_is_held(tmp_path: Path) -> None:
    """Tools write a whole table as one group: it is read in parts."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = arrow.table({"prompt": [f"{number:01000}" for number in range(20_000)]})
    parquet.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    del table
    before = arrow.total_allocated_bytes()
    rows = open_source(tmp_path / "a.parquet").rows()
    assert next(rows).values["prompt"] == "0" * 1000
    assert arrow.total_allocated_bytes() - before < 6_000_000


@pytest.mark.e2e  # which installs pyarrow
def test_parquet_of_every_type(tmp_path: Path) -> None:
    """What JSON has not is a text, a map an object; what Python cannot hold names its column, and a broken page the file."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def rows(**columns: Any) -> list[dict[str, Any]]:
        parquet.write_table(arrow.table(columns), tmp_path / "a.parquet", compression="none")
        return [row.values for row in open_source(tmp_path / "a.parquet").rows()]

    moment, key = datetime(2026, 1, 2, tzinfo=UTC), "a key"
    taken = [
        ([moment], arrow.timestamp("us", "Europe/Berlin"), "2026-01-02T01:00:00+01:00"),
        ([1], arrow.duration("us"), "PT0.000001S"),
        ([Decimal("1.10")], arrow.decimal128(5, 2), "1.10"),
        ([[(key, moment)]], arrow.map_(arrow.string(), arrow.timestamp("us")), {key: "2026-01-02T00:00:00"}),
        ([{"a": [b"x"]}], None, {"a": ["eA=="]}),
        (["a"], arrow.large_string(), "a"),
        ([None], arrow.null(), None),
    ]
    assert [rows(v=arrow.array(given, kind)) for given, kind, _ in taken] == [[{"v": value}] for *_, value in taken]
    refused = [
        ([1], arrow.timestamp("ns"), "finer than a microsecond"),
        ([10**12], arrow.timestamp("s"), "past the year 9999"),
        ([[(key, 1), (key, 2)]], arrow.map_(arrow.string(), arrow.int8()), "twice"),
    ]
    for given, kind, words in refused:
        with pytest.raises(InputError, match=f"/column/v: .*{words}"):
            rows(n=[1], v=arrow.array(given, kind))
    rows(v=["one", "two"])
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[:4] + bytes(20) + data[24:])
    with pytest.raises(InputError, match="/input: has rows that cannot be read"):
        list(open_source(tmp_path / "a.parquet").rows())


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b'prompt;n\r\n"a;b";1,5\r\n', {"prompt": "a;b", "n": "1,5"}),
        (b"prompt\tn\na, b\t1\n", {"prompt": "a, b", "n": "1"}),
        (b'\xef\xbb\xbf"say; what; now",n\na,1\n', {"say; what; now": "a", "n": "1"}),
        (b"prompt\na;b\n", {"prompt": "a;b"}),
        (b'"id,\nof it";prompt\n1;a\n', {"id,\nof it": "1", "prompt": "a"}),
    ],
)
def test_a_table_is_parted_as_its_header_is(tmp_path: Path, data: bytes, rows: dict[str, str]) -> None:
    """Spreadsheets write semicolons where the comma is for decimals, and tabs; what stands in quotes parts nothing."""
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    (row,) = open_source(path).rows()
    assert row.values == rows


def test_a_row_has_the_same_bytes_with_every_version_of_the_library(tmp_path: Path) -> None:
    """They tell whether a row is the one that the ledger has: another spelling is another row, on another host or after an upgrade."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"n": [1e22, 1.5E-7, 0.00001, 1e15, 1e16, -0.0, 9007199254740993], "a": "\u00e9\u2028/"}')
    source = open_source(path)
    (row,) = source.rows()
    rows = RowMap((), {}, Fields(frozenset(), frozenset(), frozenset(), is_open=True), source, row)
    assert (
        rows.digest_bytes(row).decode() == '{"a":"\u00e9\u2028/","n":[1e+22,1.5e-7,0.00001,1000000000000000.0,1e+16,-0.0,9007199254740993]}'
    )


@pytest.mark.parametrize("ending", ["tsv", "xlsx", "gz"])
def test_an_output_has_no_form_but_those_that_there_are(run: Any, tmp_path: Path, ending: str) -> None:
    """An ending that no form of an output has is told at ``/out``, and nothing is sent."""
    with Upstream() as upstream, pytest.raises(SetupError) as caught:
        run(upstream, prompts(1), out=f"out.{ending}")
    assert (caught.value.faults[0].pointer, upstream.requests) == ("/out", [])
